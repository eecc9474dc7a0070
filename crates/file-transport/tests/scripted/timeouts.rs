//! Clients that are cut: idle ones, and those that take nothing.

use std::sync::Arc;
use std::time::Duration;

use file_transport::{ServerLimits, ServerSettings};

use crate::bodies::{Original, Part};
use crate::expected::Expected;
use crate::requests::Asked;
use crate::script::{FOREVER, Say, Script, Take, dribble, said, seconds};
use crate::stage::{CHECKS, play};

#[test]
fn a_connection_on_which_nothing_is_asked_ends() {
    let settings = ServerSettings::default();
    let idle = settings.idle_timeout;
    let played = play(settings.clone(), Script::default(), &[], &Original::small(), Duration::ZERO);
    assert!((idle..=idle + CHECKS).contains(&played.lasted), "{:?}", played.lasted);
    assert_eq!(settings.counters.idle.get(), 1);
    assert!(played.log.calls < 10, "{} calls without a request", played.log.calls);

    // A request before makes no difference.
    let requests = [Asked::small(), Asked::small()];
    let mut says = said(requests[0].spell(0));
    says.extend([Say::Pause(seconds(50)), Say::Bytes(requests[1].spell(1))]);
    let played = play(
        settings.clone(),
        Script { says, ..Script::default() },
        &requests,
        &Original::small(),
        Duration::ZERO,
    );
    Expected::new(&requests, &Original::small()).is(&played.log.output);
    let lasted = played.lasted - seconds(50);
    assert!((idle..=idle + CHECKS).contains(&lasted), "{lasted:?}");
    assert_eq!((settings.counters.idle.get(), settings.counters.broken.get()), (2, 0));
}

#[test]
fn who_sends_line_ends_only_asks_nothing() {
    let settings = ServerSettings::default();
    let says = dribble(&b"\r\n".repeat(100), &[seconds(10)]);
    let played =
        play(settings.clone(), Script { says, ..Script::default() }, &[], &Original::small(), Duration::ZERO);
    assert!(
        played.lasted <= settings.idle_timeout.max(settings.head_timeout) + CHECKS,
        "{:?}",
        played.lasted
    );
}

#[test]
fn who_takes_nothing_is_cut() {
    let all = 0..1000;
    let bodies =
        [vec![Part::File(all.clone())], vec![Part::Bytes(1000)], vec![Part::Zeros(500), Part::File(all)]];
    for body in bodies {
        let requests = [Asked::get(body)];
        let expected = Expected::new(&requests, &Original::small());
        for (stall, taken) in [(120_000, 0), (120_000, 50), (120_000, 300), (1_500, 700), (1_000, 0)] {
            let settings =
                ServerSettings { stall_timeout: Duration::from_millis(stall), ..ServerSettings::default() };
            let script = Script {
                says: said(requests[0].spell(0)),
                takes: vec![Take::Bytes(taken), Take::Pause(FOREVER)].split_off(usize::from(taken == 0)),
                ..Script::default()
            };
            let played = play(settings.clone(), script, &requests, &Original::small(), Duration::ZERO);
            expected.begins_with(&played.log.output);
            assert!(played.log.output.len() <= taken, "{} bytes", played.log.output.len());
            assert_eq!((settings.counters.stalled.get(), settings.counters.broken.get()), (1, 1));
            // The time is rounded up to whole checks.
            let max = seconds(stall.div_ceil(1000)) + CHECKS;
            assert!((settings.stall_timeout..=max).contains(&played.lasted), "{:?}", played.lasted);
        }
    }
}

/// Where a minimum rate is set, a byte now and then is as good as none, and the minimum is enough.
#[test]
fn who_takes_too_little_is_cut() {
    let original = Arc::new(Original::new(300_000));
    for body in [Part::File(0..300_000), Part::Bytes(300_000), Part::Zeros(300_000)] {
        let requests = [Asked::get(vec![body])];
        let expected = Expected::new(&requests, &original);
        for (bytes, pause, is_cut) in
            [(1, 1, true), (50_000, 80, true), (1100, 1, false), (60_000, 40, false)]
        {
            let limits = ServerLimits { minimum_rate: 1000, ..ServerLimits::default() };
            let settings = ServerSettings { limits: limits.into(), ..ServerSettings::default() };
            let takes = vec![[Take::Bytes(bytes), Take::Pause(seconds(pause))]; 1000].concat();
            let script = Script { says: said(requests[0].spell(0)), takes, ..Script::default() };
            let played = play(settings.clone(), script, &requests, &original, Duration::ZERO);
            assert_eq!(settings.counters.stalled.get(), u64::from(is_cut), "{bytes} bytes each {pause} s");
            if is_cut {
                expected.begins_with(&played.log.output);
                let (least, most) = (settings.stall_timeout, settings.stall_timeout * 2 + CHECKS);
                assert!((least..=most).contains(&played.lasted), "{:?}", played.lasted);
            } else {
                expected.is(&played.log.output);
            }
        }
    }
}

#[test]
fn who_lets_a_flush_or_the_end_wait_for_ever_is_cut() {
    let settings = ServerSettings::default();
    let closing = Asked { connection: Some("close"), ..Asked::small() };
    for (request, flushes, shutdown) in
        [(Asked::small(), vec![FOREVER], Duration::ZERO), (closing, Vec::new(), FOREVER)]
    {
        // Bytes behind the last request of the connection must not be answered.
        let says = said([request.spell(0), Asked::small().spell(0)].concat());
        let requests = [request];
        let script = Script { says, flushes, shutdown, ..Script::default() };
        let played = play(settings.clone(), script, &requests, &Original::small(), Duration::ZERO);
        Expected::new(&requests, &Original::small()).begins_with(&played.log.output);
        assert!(played.lasted <= settings.stall_timeout + CHECKS, "{:?}", played.lasted);
    }
}

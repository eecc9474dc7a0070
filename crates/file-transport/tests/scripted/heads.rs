//! Heads that come in parts: they have the head timeout, whatever the parts, and no more.

use std::time::Duration;

use file_transport::ServerSettings;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bodies::Original;
use crate::expected::Expected;
use crate::requests::Asked;
use crate::script::{Log, Say, Script, dribble, seconds};
use crate::stage::{CHECKS, cases, play};

/// Plays a head that comes in parts after `before`, its first byte together with `first`. Returns how long
/// the connection lasted from that byte on.
fn slow_head(
    settings: ServerSettings,
    before: Vec<Say>,
    first: Vec<u8>,
    pauses: &[Duration],
) -> (Log, Duration) {
    let begins: Duration =
        before.iter().map(|say| if let Say::Pause(pause) = say { *pause } else { Duration::ZERO }).sum();
    let requests = [Asked::small()];
    let mut head = Asked::small().spell(0);
    // Never complete, and long enough for twice the time.
    head.truncate(head.len() - 2);
    head.extend(b"X-Padding: ");
    let round: Duration = pauses.iter().sum();
    let rounds = 1 + (3 * settings.head_timeout).as_millis() / round.as_millis();
    head.resize(head.len().max(pauses.len() * usize::try_from(rounds).unwrap()), b'x');
    let mut says = before;
    if !first.is_empty() {
        says.extend([Say::Bytes([&first, &head[..1]].concat()), Say::Pause(pauses[0])]);
        head.remove(0);
    }
    says.extend(dribble(&head, pauses));
    let played =
        play(settings, Script { says, ..Script::default() }, &requests, &Original::small(), Duration::ZERO);
    (played.log, played.lasted - begins)
}

/// What may come before a head: nothing, silence, an answered request, and one whose last byte comes with the
/// first of the head.
fn befores() -> [(Vec<Say>, Vec<u8>); 4] {
    let request = Asked::small().spell(0);
    [
        (Vec::new(), Vec::new()),
        (vec![Say::Pause(seconds(20))], Vec::new()),
        (vec![Say::Bytes(request.clone()), Say::Pause(seconds(7))], Vec::new()),
        (vec![Say::Bytes(request[..5].to_vec()), Say::Pause(seconds(3))], request[5..].to_vec()),
    ]
}

fn check_slow_head(before: Vec<Say>, first: Vec<u8>, pauses: &[Duration]) {
    let settings = ServerSettings::default();
    let answered = !first.is_empty() || before.iter().any(|say| matches!(say, Say::Bytes(_)));
    let (log, lasted) = slow_head(settings.clone(), before, first, pauses);
    // One check notices that a head has begun, and another that it is late.
    let max = settings.head_timeout + 2 * CHECKS;
    assert!((settings.head_timeout..=max).contains(&lasted), "{lasted:?} with pauses of {pauses:?}");
    assert_eq!(settings.counters.slow_heads.get(), 1);
    let answers = if answered { vec![Asked::small()] } else { Vec::new() };
    Expected::new(&answers, &Original::small()).is(&log.output);
}

#[test]
fn a_head_has_its_time_however_slowly_it_comes() {
    for pause in [10, 20, 100, 500, 990, 1000, 1010, 1500, 2000, 2500, 7_000, 29_000, 31_000] {
        for (before, first) in befores() {
            check_slow_head(before, first, &[Duration::from_millis(pause)]);
        }
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_head_has_its_time_in_whatever_parts_it_comes(
        pauses in vec(prop_oneof![3 => 10..1_000_u64, 2 => 1_000..3_500_u64, 1 => 3_500..40_000_u64], 1..40),
        before in 0..4_usize,
    ) {
        let pauses: Vec<Duration> = pauses.into_iter().map(Duration::from_millis).collect();
        let (before, first) = befores()[before].clone();
        check_slow_head(before, first, &pauses);
    }

    #[test]
    fn a_head_that_comes_in_time_is_answered(
        pauses in vec(0..2_000_u64, 1..14),
        idle in 0..55_u64,
    ) {
        // Two requests, so that the second one is tested on a used connection.
        let requests = [Asked::small(), Asked::small()];
        let pauses: Vec<Duration> =
            pauses.into_iter().map(Duration::from_millis).collect();
        let mut says = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let mut bytes = request.spell(index);
            let rest = bytes.split_off(pauses.len());
            says.extend(dribble(&bytes, &pauses));
            says.extend([Say::Bytes(rest), Say::Pause(seconds(idle))]);
        }
        says.push(Say::End);
        let settings = ServerSettings::default();
        let script = Script { says, ..Script::default() };
        let played = play(settings.clone(), script, &requests, &Original::small(), Duration::ZERO);
        Expected::new(&requests, &Original::small()).is(&played.log.output);
        prop_assert_eq!(settings.counters.broken.get(), 0);
    }
}

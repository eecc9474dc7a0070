//! Bodies with a rate limit: together they keep the rate, and each gets its share.

use std::sync::Arc;
use std::time::Duration;

use file_transport::{Incoming, RateLimit, ServerSettings};
use http::{Request, Response};
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::bodies::{LimitedBody, Original, Part};
use crate::requests::Asked;
use crate::script::{Say, Script, Take};
use crate::stage::{cases, on_paused_clock, serve};

/// The tolerance of times.
const SLACK: Duration = Duration::from_millis(20);

/// A client that fetches `size` bytes.
#[derive(Debug, Clone)]
struct Client {
    /// Bytes in memory before the body, which do not wait.
    unlimited: usize,
    kind: PartKind,
    size: usize,
    at: Duration,
}

/// The kind of piece that waits.
#[derive(Debug, Clone, Copy)]
enum PartKind {
    File,
    Computed,
    Zeros,
}

fn kinds() -> impl Strategy<Value = PartKind> {
    prop_oneof![Just(PartKind::File), Just(PartKind::Computed), Just(PartKind::Zeros)]
}

/// Runs all clients and returns how long each took.
fn fetch(clients: &[Client], rate_limits: &[Arc<RateLimit>], takes: &[Take]) -> Vec<Duration> {
    let original = Arc::new(Original::new(clients.iter().map(|client| client.size).max().unwrap_or(0)));
    on_paused_clock(async {
        let mut fetching = JoinSet::new();
        for (client, Client { unlimited, kind, size, at }) in clients.iter().cloned().enumerate() {
            let says = vec![Say::Pause(at), Say::Bytes(Asked::get(Vec::new()).spell(0)), Say::End];
            let script = Script { says, takes: takes.to_vec(), ..Script::default() };
            let (original, rate_limits) = (Arc::clone(&original), rate_limits.to_vec());
            fetching.spawn(async move {
                let served = Arc::clone(&original);
                let handler = move |_: Request<Incoming>, _| {
                    let part = match kind {
                        PartKind::File => Part::File(0..size),
                        PartKind::Computed => Part::Computed(0..size),
                        PartKind::Zeros => Part::Zeros(size),
                    };
                    let body = served
                        .body(&[Part::Bytes(unlimited), part])
                        .observed(Arc::new(LimitedBody(rate_limits.clone())));
                    async { Response::new(body) }
                };
                let (log, lasted) = serve(ServerSettings::default(), script, handler).await;
                match kind {
                    PartKind::File | PartKind::Computed => {
                        assert!(log.output.ends_with(&original.bytes[..size]));
                    }
                    PartKind::Zeros => assert!(log.output.ends_with(&vec![0; size])),
                }
                (client, lasted - at)
            });
        }
        let mut took = fetching.join_all().await;
        took.sort_unstable();
        took.into_iter().map(|(_, lasted)| lasted).collect()
    })
}

/// How long so many bytes take.
fn time(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes * 1_000_000_000 / rate)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn together_they_keep_the_rate_and_each_gets_its_share(
        rate in prop_oneof![100..4_000_u64, 4_000..100_000_u64, 100_000..50_000_000_u64],
        clients in proptest::collection::vec((10_000..300_000_usize, 0..40_000_u64, kinds()), 1..6),
        takes in proptest::collection::vec((1..20_000_usize).prop_map(Take::Bytes), 0..10),
    ) {
        let limit = Arc::new(RateLimit::new(rate));
        let turn = limit.turn();
        let client = |(size, at, kind)| Client { unlimited: 0, kind, size, at: Duration::from_millis(at) };
        let clients: Vec<Client> = clients.into_iter().map(client).collect();
        let took = fetch(&clients, &[limit], &takes);
        for (client, took) in clients.iter().zip(&took) {
            let size = client.size as u64;
            let alone = time(size - turn.min(size), rate);
            prop_assert!(*took + SLACK >= alone, "{client:?} took only {took:?} of {clients:?} at {rate}");
            // The last turn of each client may be short, after full ones of the others.
            let share = time((size + turn) * clients.len() as u64, rate);
            prop_assert!(*took <= share + SLACK, "{client:?} took {took:?} of {clients:?} at {rate}");
        }
        let begin = clients.iter().map(|client| client.at).min().unwrap();
        let last_begin = clients.iter().map(|client| client.at).max().unwrap();
        let end = clients.iter().zip(&took).map(|(client, took)| client.at + *took).max().unwrap();
        let total: u64 = clients.iter().map(|client| client.size as u64).sum();
        let at_least = begin + time(total - turn.min(total), rate);
        prop_assert!(end + SLACK >= at_least, "{clients:?} at {rate} ended at {end:?}");
        prop_assert!(end <= last_begin + time(total, rate) + SLACK, "{clients:?} at {rate} ended at {end:?}");
    }
}

#[test]
fn of_two_paces_the_slower_one_counts() {
    let rate_limits = [1_000_000, 100_000].map(|rate| Arc::new(RateLimit::new(rate)));
    let took = fetch(
        &[Client { unlimited: 0, kind: PartKind::File, size: 200_000, at: Duration::ZERO }],
        &rate_limits,
        &[],
    );
    let expected = time(200_000, 100_000);
    // The first turn does not wait.
    assert!(took[0] + Duration::from_millis(100) >= expected && took[0] <= expected + SLACK, "{took:?}");
}

#[test]
fn what_waits_for_nobody_is_missing_for_those_who_wait() {
    let limit = Arc::new(RateLimit::new(100_000));
    let first = Client { unlimited: 80_000, kind: PartKind::File, size: 100_000, at: Duration::ZERO };
    let second = Client { unlimited: 0, kind: PartKind::File, size: 100_000, at: Duration::from_millis(100) };
    let took = fetch(&[first, second], &[limit], &[]);
    let end = took[0].max(took[1] + Duration::from_millis(100));
    assert!(end + Duration::from_millis(100) >= time(280_000, 100_000), "{took:?}");
}

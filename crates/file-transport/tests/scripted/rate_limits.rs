//! Bodies that are held to a pace: together they keep the rate, and each gets its share.

use std::sync::Arc;
use std::time::Duration;

use file_transport::{Incoming, Pace, Server};
use http::{Request, Response};
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::bodies::{Held, Original, Part};
use crate::requests::Asked;
use crate::script::{Say, Script, Take};
use crate::stage::{cases, on_paused_clock, serve};

/// What the clock may be off by.
const SLACK: Duration = Duration::from_millis(20);

/// Somebody who fetches so many bytes at a time.
#[derive(Debug, Clone)]
struct Client {
    /// How much comes before that waits for nobody.
    at_hand: usize,
    kind: Kind,
    size: usize,
    at: Duration,
}

/// Where the bytes that wait come from.
#[derive(Debug, Clone, Copy)]
enum Kind {
    File,
    Computed,
    Zeros,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::File), Just(Kind::Computed), Just(Kind::Zeros)]
}

/// Lets the clients fetch what they want, and tells for each how long that took.
fn fetch(clients: &[Client], paces: &[Arc<Pace>], takes: &[Take]) -> Vec<Duration> {
    let original = Arc::new(Original::new(clients.iter().map(|client| client.size).max().unwrap_or(0)));
    on_paused_clock(async {
        let mut fetching = JoinSet::new();
        for (client, Client { at_hand, kind, size, at }) in clients.iter().cloned().enumerate() {
            let says = vec![Say::Pause(at), Say::Bytes(Asked::get(Vec::new()).spell(0)), Say::End];
            let script = Script { says, takes: takes.to_vec(), ..Script::default() };
            let (original, paces) = (Arc::clone(&original), paces.to_vec());
            fetching.spawn(async move {
                let served = Arc::clone(&original);
                let handler = move |_: Request<Incoming>, _| {
                    let part = match kind {
                        Kind::File => Part::File(0..size),
                        Kind::Computed => Part::Computed(0..size),
                        Kind::Zeros => Part::Zeros(size),
                    };
                    let body =
                        served.body(&[Part::Bytes(at_hand), part]).watched(Arc::new(Held(paces.clone())));
                    async { Response::new(body) }
                };
                let (log, lasted) = serve(Server::default(), script, handler).await;
                match kind {
                    Kind::File | Kind::Computed => assert!(log.output.ends_with(&original.bytes[..size])),
                    Kind::Zeros => assert!(log.output.ends_with(&vec![0; size])),
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
        let pace = Arc::new(Pace::new(rate));
        let turn = pace.turn();
        let client = |(size, at, kind)| Client { at_hand: 0, kind, size, at: Duration::from_millis(at) };
        let clients: Vec<Client> = clients.into_iter().map(client).collect();
        let took = fetch(&clients, &[pace], &takes);
        for (client, took) in clients.iter().zip(&took) {
            let size = client.size as u64;
            let alone = time(size - turn.min(size), rate);
            prop_assert!(*took + SLACK >= alone, "{client:?} took only {took:?} of {clients:?} at {rate}");
            // The last turn of each may be short, so others may have had whole ones before it.
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
    let paces = [1_000_000, 100_000].map(|rate| Arc::new(Pace::new(rate)));
    let took =
        fetch(&[Client { at_hand: 0, kind: Kind::File, size: 200_000, at: Duration::ZERO }], &paces, &[]);
    let expected = time(200_000, 100_000);
    // The first turn waits for nobody.
    assert!(took[0] + Duration::from_millis(100) >= expected && took[0] <= expected + SLACK, "{took:?}");
}

#[test]
fn what_waits_for_nobody_is_missing_for_those_who_wait() {
    let pace = Arc::new(Pace::new(100_000));
    let first = Client { at_hand: 80_000, kind: Kind::File, size: 100_000, at: Duration::ZERO };
    let second = Client { at_hand: 0, kind: Kind::File, size: 100_000, at: Duration::from_millis(100) };
    let took = fetch(&[first, second], &[pace], &[]);
    let end = took[0].max(took[1] + Duration::from_millis(100));
    assert!(end + Duration::from_millis(100) >= time(280_000, 100_000), "{took:?}");
}

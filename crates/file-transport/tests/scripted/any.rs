//! Random requests, and random scripts that send them.

use std::time::Duration;

use http::{Method, Version};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bodies::Part;
use crate::requests::{Asked, Sends};
use crate::script::{Say, Script, Take};

/// The longest file.
pub(crate) const LONGEST: usize = 300_000;

pub(crate) fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..20_usize, 3 => 0..3_000_usize, 2 => 0..=LONGEST]
}

pub(crate) fn parts() -> impl Strategy<Value = Vec<Part>> {
    let file = (0..=LONGEST, lengths()).prop_map(|(begin, length)| Part::File(begin..begin + length));
    let near = (0..100_usize, lengths()).prop_map(|(begin, length)| Part::File(begin..begin + length));
    let computed = (0..=LONGEST, lengths()).prop_map(|(begin, length)| Part::Computed(begin..begin + length));
    let part = prop_oneof![
        2 => computed,
        1 => lengths().prop_map(|length| Part::Bytes(length % 9_000)),
        1 => lengths().prop_map(Part::Zeros),
        2 => file,
        2 => near,
    ];
    vec(part, 0..6)
}

pub(crate) fn requests() -> impl Strategy<Value = Vec<Asked>> {
    let bytes = || vec(any::<u8>(), 0..300);
    let sends = prop_oneof![
        6 => Just(Sends::Nothing),
        1 => bytes().prop_map(Sends::Sized),
        1 => bytes().prop_map(Sends::Expecting),
        1 => vec(bytes(), 0..4).prop_map(Sends::Chunked),
    ];
    let method = prop_oneof![4 => Just(Method::GET), 2 => Just(Method::HEAD), 1 => Just(Method::POST)];
    let spelling = prop_oneof![
        8 => Just((Version::HTTP_11, None)),
        1 => Just((Version::HTTP_11, Some("keep-alive"))),
        1 => Just((Version::HTTP_11, Some("close"))),
        3 => Just((Version::HTTP_10, Some("keep-alive"))),
        1 => Just((Version::HTTP_10, None)),
    ];
    let padding = prop_oneof![8 => Just(0), 1 => 0..200_usize, 1 => 0..50_000_usize];
    let request = (method, spelling, sends, padding, parts(), any::<bool>(), any::<bool>());
    let request =
        request.prop_map(|(method, (version, connection), sends, padding, answer, measured, limited)| {
            let sends = match sends {
                // HTTP/1.0 knows neither.
                Sends::Chunked(_) | Sends::Expecting(_) if version == Version::HTTP_10 => {
                    Sends::Sized(sends.bytes())
                }
                sends => sends,
            };
            Asked { method, version, connection, padding, sends, answer, measured, limited }
        });
    vec(request, 1..6)
}

pub(crate) fn pause() -> impl Strategy<Value = Duration> {
    // On both sides of the times after which a connection counts as quiet.
    prop_oneof![1..40_u64, 40..900_u64, 900..2_100_u64, 2_100..20_000_u64].prop_map(Duration::from_millis)
}

/// Where the client's bytes are cut, and what happens at each cut.
pub(crate) fn cuts() -> impl Strategy<Value = Vec<(usize, Say)>> {
    let length = prop_oneof![2 => 1..3_usize, 3 => 1..60_usize, 1 => 1..3_000_usize, 1 => 1..60_000_usize];
    let between = prop_oneof![
        3 => Just(Say::Pause(Duration::ZERO)),
        1 => Just(Say::Nothing),
        2 => pause().prop_map(Say::Pause),
    ];
    vec((length, between), 0..60)
}

/// Sends `bytes`, cut like that.
pub(crate) fn say(bytes: &[u8], cuts: &[(usize, Say)]) -> Vec<Say> {
    let (mut says, mut rest) = (Vec::new(), bytes);
    for (length, between) in cuts {
        let (first, second) = rest.split_at((*length).min(rest.len()));
        says.extend([Say::Bytes(first.to_vec()), between.clone()]);
        rest = second;
    }
    says.push(Say::Bytes(rest.to_vec()));
    says
}

fn take() -> impl Strategy<Value = Take> {
    prop_oneof![
        2 => (1..4_usize).prop_map(Take::Bytes),
        3 => (1..4_000_usize).prop_map(Take::Bytes),
        1 => (1..200_000_usize).prop_map(Take::Bytes),
        2 => (1..4_u32).prop_map(Take::Refuse),
        2 => pause().prop_map(Take::Pause),
    ]
}

prop_compose! {
    pub(crate) fn script()(
        says in cuts(),
        ends in any::<bool>(),
        takes in vec(take(), 0..60),
        flushes in vec(prop_oneof![3 => Just(Duration::ZERO), 1 => pause()], 0..6),
        shutdown in prop_oneof![3 => Just(Duration::ZERO), 1 => pause()],
    ) -> (Vec<(usize, Say)>, bool, Script) {
        (says, ends, Script { says: Vec::new(), takes, flushes, shutdown })
    }
}

//! Whatever the requests, and however their bytes come: the client gets exactly its answers, or the beginning
//! of them.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use proptest::prelude::*;

use crate::any::{LONGEST, lengths, parts, pause, requests, say, script};
use crate::bodies::{Original, Part};
use crate::expected::Expected;
use crate::requests::{Asked, Sends};
use crate::script::{Say, Take};
use crate::stage::{Played, cases, collect, on_paused_clock, patient, play};

fn spell(requests: &[Asked]) -> Vec<u8> {
    requests.iter().enumerate().flat_map(|(index, request)| request.spell(index)).collect()
}

/// Each answer's follower was dropped exactly once and was told of each byte taken. It was not dropped before
/// the
/// last byte of a range was taken.
fn check_followers(played: &Played, requests: &[Asked], expected: &Expected) {
    assert_eq!(played.followed.len(), played.asked, "some followers were not dropped");
    let mut answers: Vec<usize> = played.followed.iter().map(|followed| followed.answer).collect();
    answers.sort_unstable();
    assert!(answers.is_sorted_by(|one, other| one < other), "followers were dropped twice: {answers:?}");
    for followed in &played.followed {
        let body = &expected.bodies[followed.answer];
        let taken = played.log.output.len().clamp(body.start, body.end) - body.start;
        let request = &requests[followed.answer];
        if request.answer.iter().all(|part| matches!(part, Part::File(_))) {
            assert_eq!(followed.sent, taken as u64, "answer {} at {body:?}", followed.answer);
            assert!(
                body.is_empty() || followed.over || followed.taken >= body.end,
                "dropped too early: {followed:?} of {body:?}"
            );
        } else {
            // Bytes in memory are reported when hyper gets them.
            assert!((taken as u64..=body.len() as u64).contains(&followed.sent), "{followed:?} of {body:?}");
        }
    }
    let from_files: u64 = played.followed.iter().map(|followed| followed.sent).sum();
    assert!(from_files >= played.log.from_files);
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn every_answer_comes_whole_and_in_order(
        length in lengths(),
        requests in requests(),
        (cuts, ends, mut script) in script(),
        thinking in prop_oneof![2 => Just(Duration::ZERO), 1 => pause()],
    ) {
        let original = Arc::new(Original::new(length));
        script.says = say(&spell(&requests), &cuts);
        if ends {
            script.says.push(Say::End);
        }
        let expected = Expected::new(&requests, &original);
        let played = play(patient(), script, &requests, &original, thinking);
        expected.is(&played.log.output);
        check_followers(&played, &requests, &expected);
        prop_assert_eq!(played.followed.len(), expected.bodies.len());
        let closes = ends || requests.iter().any(|request| !request.keeps_alive());
        prop_assert_eq!(played.log.shut, closes, "an idle connection is dropped, any other is shut down");
    }

    #[test]
    fn a_body_without_a_connection_reads_its_files(length in lengths(), parts in parts()) {
        let original = Original::new(length);
        let body = original.body(&parts);
        let expected = original.expected(&parts);
        prop_assert_eq!(body.length(), Some(expected.len() as u64));
        prop_assert!(on_paused_clock(collect(body)) == expected);
    }

    #[test]
    fn who_vanishes_has_got_the_beginning(
        length in lengths(),
        requests in requests(),
        (cuts, _, mut script) in script(),
        at in any::<prop::sample::Index>(),
        end in prop_oneof![Just(Some(Say::Reset)), Just(Some(Say::End)), Just(None)],
    ) {
        let original = Arc::new(Original::new(length));
        script.says = say(&spell(&requests), &cuts);
        match end {
            None => script.takes.push(Take::Reset),
            Some(end) => {
                script.says.truncate(at.index(script.says.len() + 1));
                // The handler decides how to answer half a body.
                let is_complete = requests.iter().all(|request| matches!(request.sends, Sends::Nothing));
                script.says.push(if is_complete { end } else { Say::Reset });
            }
        }
        let expected = Expected::new(&requests, &original);
        let played = play(patient(), script, &requests, &original, Duration::ZERO);
        expected.begins_with(&played.log.output);
        check_followers(&played, &requests, &expected);
    }

    #[test]
    fn a_file_that_shrinks_ends_the_connection(
        length in 1..=LONGEST,
        requests in requests(),
        (cuts, _, mut script) in script(),
        left in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        let original = Arc::new(Original::new(length));
        let expected = Expected::new(&requests, &original);
        let left = left.index(length);
        let at = at.index(script.takes.len() + 1);
        script.takes.insert(at, Take::Shrink(left as u64));
        script.says = say(&spell(&requests), &cuts);
        let played = play(patient(), script, &requests, &original, Duration::ZERO);
        expected.begins_with(&played.log.output);
        check_followers(&played, &requests, &expected);
        let beyond =
            |part: &Part| matches!(part, Part::File(range) if range.start < length && range.end > left);
        let asks_beyond =
            |request: &Asked| request.method != Method::HEAD && request.answer.iter().any(beyond);
        let answered = &requests[..expected.bodies.len()];
        if at == 0 && answered.iter().any(asks_beyond) {
            prop_assert!(played.log.output.len() < expected.len());
            prop_assert!(!played.log.shut, "a broken answer must not look complete");
        }
    }
}

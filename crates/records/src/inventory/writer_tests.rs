use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::tests::{image, records};
use super::super::{ChangedRecord, MemoryInventory};
use super::*;
use crate::feed::Event;

/// Longer than any save may be put off.
const LONG: Duration = Duration::from_secs(10);

fn writer(memory: &MemoryInventory, feed: &Feed) -> InventoryWriter {
    let records = memory.load().expect("loads");
    InventoryWriter::start(Inventory::Memory(memory.clone()), records, feed.clone()).expect("starts")
}

/// Adds an image, and whether it fails is the caller's choice.
fn add(id: &str) -> impl FnOnce(&mut Records) -> Result<(), CommitError> + Send + 'static {
    let image = image(id, id);
    move |records| {
        records.images.insert(image.id.clone(), image);
        Ok(())
    }
}

fn ids(records: &Records) -> Vec<String> {
    records.images.values().map(|image| image.id.to_string()).collect()
}

fn published(writer: &InventoryWriter) -> Vec<String> {
    ids(writer.snapshot().records())
}

fn saved(memory: &MemoryInventory) -> Vec<String> {
    ids(&memory.load().expect("loads"))
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_change_is_durable_told_and_published_before_its_answer() {
    let (memory, feed) = (MemoryInventory::default(), Feed::default());
    let mut subscription = feed.subscribe(None, None).expect("subscribes");
    assert_eq!(subscription.next().await, Some(Event::Hello));
    let writer = writer(&memory, &feed);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    writer.listen(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    writer.commit(add("a")).await.expect("commits");
    assert_eq!((saved(&memory), published(&writer)), (vec!["a".to_owned()], vec!["a".to_owned()]));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let refused = writer.commit(|_| Err::<(), _>(CommitError::Stopping)).await;
    assert!(refused.is_err());
    assert_eq!((calls.load(Ordering::Relaxed), memory.saves()), (1, 1));
    let Some(Event::Changed(change)) = subscription.next().await else { panic!("a change is published") };
    assert!(matches!(ChangedRecord::of(&change), Some(ChangedRecord::Image(_))), "{change:?}");
}

#[tokio::test]
async fn changes_that_no_caller_waits_for_are_saved_together_and_soon() {
    let (memory, feed) = (MemoryInventory::default(), Feed::default());
    let writer = writer(&memory, &feed);
    let started = Instant::now();
    for number in 0..200 {
        writer.commit_soon(add(&number.to_string())).await.expect("is published");
    }
    assert_eq!(published(&writer).len(), 200, "visible at once");
    eventually("all are saved", || saved(&memory).len() == 200).await;
    let seconds = usize::try_from(started.elapsed().as_secs()).expect("a number");
    assert!(memory.saves() <= 1 + seconds, "{} saves in {seconds} s", memory.saves());

    writer.commit_soon(add("soon")).await.expect("is published");
    writer.commit(add("now")).await.expect("commits");
    assert_eq!(saved(&memory).len(), 202, "an urgent change takes the others along");
    let saves = memory.saves();
    writer.flush().await.expect("nothing to do");
    assert_eq!(memory.saves(), saves);
    writer.commit_soon(add("last")).await.expect("is published");
    writer.flush().await.expect("saves");
    assert_eq!((saved(&memory).len(), memory.saves()), (203, saves + 1));
}

#[tokio::test]
async fn a_full_disk_refuses_urgent_changes_and_delays_the_others() {
    let (memory, feed) = (MemoryInventory::default(), Feed::default());
    let writer = writer(&memory, &feed);
    writer.commit(add("a")).await.expect("commits");
    memory.set_broken(true);
    writer.commit_soon(add("soon")).await.expect("is published");
    let refused = writer.commit(add("now")).await;
    assert!(matches!(refused, Err(CommitError::Unsaved(_))), "{refused:?}");
    assert!(writer.flush().await.is_err());
    assert_eq!((saved(&memory), published(&writer)), (vec!["a".into()], vec!["a".into(), "soon".into()]));
    tokio::time::sleep(SAVE_PAUSE * 3 / 2).await;
    assert_eq!(published(&writer).len(), 2, "it stays in use");
    memory.set_broken(false);
    eventually("it is saved once the disk works", || saved(&memory).len() == 2).await;
}

#[tokio::test]
async fn the_end_saves_what_is_not_saved_yet() {
    let memory = MemoryInventory::default();
    let writer = writer(&memory, &Feed::default());
    writer.commit_soon(add("a")).await.expect("is published");
    drop(writer);
    eventually("it is saved", || memory.load().expect("loads") == records(&[image("a", "a")])).await;
}

#[tokio::test]
async fn a_change_that_panics_changes_nothing_and_ends_no_thread() {
    let (memory, feed) = (MemoryInventory::default(), Feed::default());
    let writer = writer(&memory, &feed);
    writer.commit(add("a")).await.expect("commits");
    let (other, half) = (add("b"), add("half"));
    let (together, panicked) = tokio::join!(
        writer.commit(other),
        writer.commit(move |records| -> Result<(), CommitError> {
            half(records)?;
            panic!("a fault of the program");
        })
    );
    together.expect("a change that waited beside it is made");
    assert!(matches!(panicked, Err(CommitError::Panicked)), "{panicked:?}");
    assert_eq!(
        (saved(&memory), published(&writer)),
        (vec!["a".into(), "b".into()], vec!["a".into(), "b".into()])
    );
}

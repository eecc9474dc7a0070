//! Interrupts an upload, opens the store again as after a restart, and resumes the upload.

use blobs::{Disks, Limits, Resumed, Store};
use model::digest::Expected;
use model::labels::Labels;
use model::names::FileName;
use model::stored_file::StoreKind;
use model::unfinished_file::{Owner, Plan, UnfinishedFileId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let limits = Limits { max_file_size: 1 << 30, reserve: 0, quota: 0 };
    let open = || Store::open(StoreKind::Iso, folder.path().join("iso"), limits, &Disks::default());

    let id = UnfinishedFileId::random();
    let plan = Plan {
        name: FileName::new("a.iso")?,
        size: Some(6),
        expected: Expected::default(),
        owner: Owner::Upload,
        client: None,
        labels: Labels::default(),
        resume_data: serde_json::Value::Null,
    };
    let store = open()?;
    let mut upload = store.begin_unfinished(&id, plan)?;
    upload.write(&store, b"abc")?;
    upload.suspend(&store)?;
    drop(store);

    let store = open()?;
    let Resumed::Unfinished(mut upload) = store.resume_unfinished(&id)? else {
        return Err("the file already has its name".into());
    };
    println!("{} bytes are stored", upload.size());
    upload.write(&store, b"def")?;
    let (received, published) = upload.finish(&store)?;
    published.keep();
    println!("{} is complete: SHA-256 {}", received.name, received.sha256);
    Ok(())
}

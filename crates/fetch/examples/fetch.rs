//! Fetches a file and prints its size: `cargo run -p fetch --example fetch -- LINK`.

use std::error::Error;
use std::time::Duration;

use fetch::{EgressPolicy, Fetcher};
use futures_util::TryStreamExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let link = std::env::args().nth(1).ok_or("usage: fetch LINK")?;
    let fetcher = Fetcher::new(EgressPolicy::default(), Duration::from_secs(30))?;
    let mut fetched = fetch::fetch(&fetcher, &link.parse()?, None).await?;
    println!("from {}, announced size {:?}", fetched.final_url, fetched.total);
    let mut size = 0;
    while let Some(chunk) = fetched.bytes.try_next().await? {
        size += chunk.len();
    }
    println!("{size} bytes, validator {:?}", fetched.validator);
    Ok(())
}

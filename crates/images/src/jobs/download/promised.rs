//! The digests that a checksum file lists for a download. It may list the file by the name of a link, or only
//! by the name that the link leads to.

use ::jobs::Outcome;
use fetch::Fault;
use fetch::checksums::ChecksumError;

use super::transfer::clues;
use crate::jobs::environment::Context;
use crate::jobs::failure::{failed, retry};
use crate::jobs::web_name;
use model::digest::Expected;
use model::image::{Image, WebSource};
use model::names::FileName;

/// The digests, if there is a checksum file.
pub(super) async fn promised(
    context: &Context<'_>,
    image: &Image,
    web: &WebSource,
) -> Result<Option<Expected>, Outcome> {
    let Some(checksum) = &web.checksum else { return Ok(None) };
    let mut names: Vec<FileName> = web.links().into_iter().flat_map(web_name::of_link).collect();
    names.push(image.iso.clone());
    let look_up = async |names: &[FileName]| {
        let names: Vec<&str> = names.iter().map(FileName::as_str).collect();
        let promised = context.environment.promised(checksum, web.signature.as_ref(), &names);
        context.unless_stopped(promised).await
    };
    let promised = match look_up(&names).await? {
        Err(error) if error.is_not_listed() => match led_to(context, web).await? {
            names if names.is_empty() => Err(error),
            names => look_up(&names).await?,
        },
        promised => promised,
    };
    let promised = promised.map_err(unpromised)?;
    if let Some(signer) = promised.signer {
        context.note(format!("the checksum file is signed by {signer}"));
    }
    Ok(Some(promised.expected))
}

/// The names that the first link leads to of those that lead to a file. Only the head of the answer is read.
async fn led_to(context: &Context<'_>, web: &WebSource) -> Result<Vec<FileName>, Outcome> {
    let mut fault = None;
    for link in web.links() {
        let fetched = fetch::fetch(&context.environment.fetcher, link.secret_url(), None);
        match context.unless_stopped(fetched).await? {
            Ok(fetched) => return Ok(clues(link, &fetched).listed()),
            Err(other) => fault = fault.or(Some(other)),
        }
    }
    Err(fault.map_or(Outcome::Stopped, |fault| match fault.is_worth_retrying() {
        true => retry(fault.clone(), fault.retry_after()),
        false => failed(fault),
    }))
}

fn unpromised(error: ChecksumError) -> Outcome {
    match error.fault().filter(|fault| fault.is_worth_retrying()).map(Fault::retry_after) {
        Some(after) => retry(error, after),
        None => failed(error),
    }
}

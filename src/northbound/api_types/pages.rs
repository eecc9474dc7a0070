//! The parameters of lists that have pages.

#![expect(dead_code, reason = "only the document is made of these")]

use utoipa::{IntoParams, ToSchema};

/// Which page of a list. Without any of these it is the whole list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct Pages {
    /// The most members of the page. `Link` has the next one.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u64>,
    /// The page begins behind the member with this id; of files, with this name.
    after: Option<String>,
    /// What that member was sorted by. Links to a next page say it, so that they hold when it is gone.
    #[param(rename = "afterKey")]
    after_key: Option<String>,
    /// `asc` by default; of jobs `desc`.
    #[param(inline)]
    order: Option<Order>,
    /// Only what has this text in a name, in whatever case: in name, version or ISO of an image, in the name
    /// of a file, in the title of a job.
    #[param(max_length = 256)]
    q: Option<String>,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    Desc,
}

/// Orders and labels of images.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct ImagePages {
    /// What to sort by; `name` by default, and then by version.
    #[param(inline)]
    sort: Option<ImageSort>,
    /// Only what has this label, written `key=value`, or `key` for any value. Of several, all must match.
    #[param(max_items = 64, example = json!(["team=blue"]))]
    label: Option<Vec<String>>,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum ImageSort {
    Name,
    Version,
    Iso,
    Status,
    Bytes,
    Created,
    Updated,
    Id,
}

/// Orders and labels of files.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct FilePages {
    /// What to sort by; `name` by default.
    #[param(inline)]
    sort: Option<FileSort>,
    /// Only what has this label, written `key=value`, or `key` for any value. Of several, all must match.
    #[param(max_items = 64, example = json!(["team=blue"]))]
    label: Option<Vec<String>>,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum FileSort {
    Name,
    Bytes,
    Uploaded,
}

/// Orders of jobs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::northbound) struct JobPages {
    /// What to sort by; `created` by default.
    #[param(inline)]
    sort: Option<JobSort>,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum JobSort {
    Created,
    Updated,
    Kind,
    State,
    Id,
}

//! `GET /iso` and `GET /microkernel`.

use axum::extract::{Request, State};
use axum::response::Response;
use http_service::Problem;
use http_service::parameters::{Known, Parameters};
use images::ListedFile;
use model::labels::Labels;
use model::stored_file::StoreKind;

use crate::northbound::api::Northbound;
use crate::northbound::labels::REPEATED;
use crate::northbound::page::{ListPage, Listed};
use crate::northbound::problems::problem;
use crate::northbound::views::file::StoredFile;

/// The parameters of the list.
pub(in crate::northbound) const PARAMETERS: [&str; 8] =
    ["name", "limit", "after", "afterKey", "order", "q", "sort", "label"];

/// All files of a store, or the one named.
pub(in crate::northbound) async fn list(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::of_filters(&parts, Known::with_lists(&PARAMETERS, &REPEATED))?;
    let page = ListPage::of::<ListedFile>(&parameters)?;
    let files = api.catalog.files.list(kind).await.map_err(problem)?;
    let name = parameters.get("name");
    let is_wanted = |listed: &ListedFile| name.is_none_or(|name| listed.file.name.as_str() == name);
    page.answer(&files, is_wanted, |listed| StoredFile::listed(kind, listed))
}

impl Listed for ListedFile {
    const SORTS: &'static [&'static str] = &["name", "bytes", "uploaded"];
    const SORT_OF_ID: &'static str = "name";
    const IS_DESCENDING: bool = false;

    fn id(&self) -> &str {
        self.file.name.as_str()
    }

    fn key(&self, sort: &str) -> String {
        match sort {
            "bytes" => format!("{:020}", self.file.identity.size),
            "uploaded" => self.file.uploaded.map(|time| format!("{time:.9}")).unwrap_or_default(),
            _ => self.id().to_owned(),
        }
    }

    fn names(&self) -> Vec<&str> {
        vec![self.id()]
    }

    fn labels(&self) -> Option<&Labels> {
        Some(&self.file.labels)
    }
}

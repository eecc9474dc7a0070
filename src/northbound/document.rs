//! `GET /openapi.json`: the API as a document, made from the attributes of the handlers and from the types of
//! their answers.

use std::sync::LazyLock;

use axum::Json;
use http_service::openapi::finish;
use utoipa::{Modify, OpenApi, openapi};

use super::api_types::{problems, upload_progress};
use super::uploads::{append, create, discard, list, method_override, progress};
use super::web_ui::pages;
use super::{
    about, events, files, images, iso, jobs, metrics, microkernel, readyz, reload, storage, transfers,
};

static DOCUMENT: LazyLock<openapi::OpenApi> = LazyLock::new(Document::openapi);

/// All routes, in the order of the router.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "image-service",
        description = "The management API: it registers operating-system ISOs and microkernel files, which machines that boot from the network \
            fetch from the southbound.\n\n\
            Every path answers `OPTIONS` with `Allow`, other methods with 405, and `HEAD` where there is `GET`. Problems are \
            `application/problem+json` (RFC 9457).\n\n\
            Each answer has an `X-Request-Id`: the request's, if it is 1 to 64 characters of `A-Z a-z 0-9 . _ -`, else a new one. \
            Requests that call a foreign name get 421, and requests of pages of other origins that change something 403.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "./", description = "This service, beside its document.")),
    tags(
        (name = "images", description = "Named, versioned trees, each made from one ISO and served southbound."),
        (name = "files", description = "The files in the stores: ISOs and microkernel files."),
        (name = "uploads", description = "Uploads that can be resumed, by tus 1.0.0 and by plain clients such as curl."),
        (name = "jobs", description = "What takes longer than a request."),
        (name = "service", description = "What there is, what changes, and what is being sent."),
    ),
    paths(
        pages::root,
        about::show,
        images::list::list, images::register::put, images::remove::delete,
        images::list::show, images::put::put, images::remove::delete_one, images::tree::show,
        jobs::list, jobs::show, jobs::cancel, jobs::retry,
        iso::list, iso::put, iso::delete,
        microkernel::list, microkernel::put, microkernel::delete,
        files::one::show, files::one::delete, files::labels::put,
        list::list, create::create, create::options,
        progress::get, progress::head, append::patch, append::put, discard::delete, method_override::post,
        storage::show,
        events::stream,
        transfers::list,
        metrics::show,
        readyz::live,
        readyz::show,
        reload::reload,
        show,
    ),
    security(()),
    components(schemas(events::News, http_service::problem::Body)),
    modifiers(&SharedParts),
)]
struct Document;

/// Show this document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "service", operation_id = "showDocument",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
pub(super) async fn show() -> Json<&'static openapi::OpenApi> {
    Json(&DOCUMENT)
}

/// Adds what is the same for all operations.
struct SharedParts;

impl Modify for SharedParts {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let mut answers = problems::all();
        answers.extend(upload_progress::components());
        finish(document, answers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::northbound::api_types::pages::{FilePages, ImagePages, JobPages, Pages};
    use crate::northbound::api_types::parameters::{
        EventFilters, FileFilter, FileName, Folder, ImageFilters, IncomingFile, JobFilters, NewUpload,
        Registration, RepeatedId,
    };
    use crate::northbound::views::image::TreeChoice;

    /// The names of the parameters of a type.
    fn names<T: utoipa::IntoParams>() -> Vec<String> {
        T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect()
    }

    /// The names of the parameters of a list that has pages.
    fn list<T: utoipa::IntoParams, O: utoipa::IntoParams>() -> Vec<String> {
        [names::<T>(), names::<Pages>(), names::<O>()].concat()
    }

    #[test]
    fn documented_parameters_are_those_that_handlers_know() {
        let known: [(Vec<String>, &[&str]); 12] = [
            (names::<ImageFilters>(), &images::list::FILTERS),
            (list::<ImageFilters, ImagePages>(), &images::list::PARAMETERS),
            (names::<Registration>(), &images::description::PARAMETERS),
            (
                [names::<RepeatedId>(), names::<Registration>()].concat(),
                &images::description::PARAMETERS_WITH_ID,
            ),
            (names::<Folder>(), &images::tree::PARAMETERS),
            (list::<FileFilter, FilePages>(), &files::list::PARAMETERS),
            (names::<FileFilter>(), &files::FILTERS),
            (names::<FileName>(), &files::FILTERS),
            (names::<IncomingFile>(), &files::put::PARAMETERS),
            (list::<JobFilters, JobPages>(), &jobs::PARAMETERS),
            (names::<NewUpload>(), &create::PARAMETERS),
            (names::<EventFilters>(), &events::FILTERS),
        ];
        for (documented, known) in known {
            assert_eq!(documented, known);
        }
    }

    #[test]
    fn documented_trees_are_those_that_can_be_asked_for() {
        let schema = serde_json::to_value(<TreeChoice as utoipa::PartialSchema>::schema()).expect("JSON");
        let words = schema["enum"].as_array().expect("words").iter().filter_map(|word| word.as_str());
        let words: Vec<&str> = words.collect();
        for word in &words {
            word.parse::<iso_reader::TreeKind>().expect(word);
        }
        let refusal = "none".parse::<iso_reader::TreeKind>().expect_err("no such tree").to_string();
        let (last, first) = words.split_last().expect("words");
        let known = format!("{} or {last}", first.join(", "));
        assert!(refusal.contains(&known), "{known} are documented, but: {refusal}");
    }
}

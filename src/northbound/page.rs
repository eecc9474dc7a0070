//! Pages of a list: `limit`, `after`, `sort`, `order`, `q` and `label` choose and order its members. A page
//! ends at a position, not at a count, so that members which come and go move no other to a page that the
//! client has seen already.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ETAG, HeaderName, HeaderValue, LINK};
use http_service::parameters::Parameters;
use http_service::{EntityTag, Problem};
use model::labels::{LabelFilter, Labels};
use model::segment::encoded;
use serde::Serialize;

use super::labels::LABEL;

/// The most members of a page.
const MAX_LIMIT: usize = 10_000;

/// The longest text to search for, in characters.
const MAX_QUERY: usize = 256;

const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// A member of a list that has pages.
pub(super) trait Listed {
    /// What the list can be sorted by: the first, if the client names none.
    const SORTS: &'static [&'static str];

    /// The one of [`Self::SORTS`] by which the id is the key.
    const SORT_OF_ID: &'static str;

    /// Whether the order is `desc`, if the client names none.
    const IS_DESCENDING: bool;

    /// What no other member has, as long as the member exists.
    fn id(&self) -> &str;

    /// The text by which the list is sorted. Members with the same key are sorted by id.
    fn key(&self, sort: &str) -> String;

    /// What `q` is searched for in.
    fn names(&self) -> Vec<&str>;

    /// Its labels, if such members have some.
    fn labels(&self) -> Option<&Labels>;
}

/// The page that a client asks for.
pub(super) struct ListPage<'a> {
    parameters: &'a Parameters,
    sort: &'static str,
    is_descending: bool,
    limit: Option<usize>,
    q: Option<String>,
    labels: Vec<LabelFilter>,
}

/// The place of a member in the order: its key and its id.
type Place = (String, String);

impl<'a> ListPage<'a> {
    /// The page of a list of `T`.
    ///
    /// # Errors
    ///
    /// 400 for a parameter that cannot be used.
    pub(super) fn of<T: Listed>(parameters: &'a Parameters) -> Result<Self, Problem> {
        let one_of = || format!("must be one of {}", T::SORTS.join(", "));
        let sort = |text: String| T::SORTS.iter().find(|sort| **sort == text).ok_or_else(one_of);
        let is_descending = parameters.optional("order", |text| match text.as_str() {
            "asc" => Ok(false),
            "desc" => Ok(true),
            _ => Err("must be asc or desc"),
        })?;
        let page = Self {
            parameters,
            sort: parameters.optional("sort", sort)?.or(T::SORTS.first()).copied().unwrap_or_default(),
            is_descending: is_descending.unwrap_or(T::IS_DESCENDING),
            limit: parameters.optional("limit", limit)?,
            q: parameters.optional("q", search)?,
            labels: parameters.all(LABEL, |text| LabelFilter::parse(&text))?,
        };
        if parameters.get("afterKey").is_some() && parameters.get("after").is_none() {
            return Err(Problem::parameter("afterKey", "belongs to `after`, which is missing"));
        }
        Ok(page)
    }

    /// The answer with those of `all` that are `wanted`, each as `view` shows it.
    ///
    /// # Errors
    ///
    /// 400 if `after` tells no position.
    pub(super) fn answer<T: Listed, V: Serialize>(
        &self,
        all: &[T],
        wanted: impl Fn(&T) -> bool,
        view: impl Fn(&T) -> V,
    ) -> Result<Response, Problem> {
        let after = self.after(all)?;
        let mut members: Vec<&T> =
            all.iter().filter(|member| wanted(member) && self.finds(*member)).collect();
        let total = members.len();
        if !self.is_ordered() {
            // The whole list, in the order that it always has.
            let views: Vec<V> = members.into_iter().map(view).collect();
            return Ok(([(TOTAL, HeaderValue::from(total))], Json(views)).into_response());
        }
        members.sort_by_cached_key(|member| self.place(*member));
        if self.is_descending {
            members.reverse();
        }
        if let Some(after) = after {
            let is_before = |member: &&T| {
                let place = self.place(*member);
                if self.is_descending { place >= after } else { place <= after }
            };
            members.drain(..members.partition_point(is_before));
        }
        let mut next = None;
        if let Some(limit) = self.limit.filter(|limit| *limit < members.len()) {
            members.truncate(limit);
            next = members.last().map(|last| self.link::<T>(&self.place(*last)));
        }
        let views: Vec<V> = members.into_iter().map(view).collect();
        // The same members may have a next page later: a client that kept this answer must be told.
        let tag = EntityTag::of_json(&(&views, total, &next));
        let mut answer =
            ([(TOTAL, HeaderValue::from(total)), (ETAG, tag.header())], Json(views)).into_response();
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Some(link) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
            answer.headers_mut().insert(LINK, link);
        }
        Ok(answer)
    }

    fn is_ordered(&self) -> bool {
        ["limit", "after", "sort", "order"].iter().any(|name| self.parameters.get(name).is_some())
    }

    fn finds<T: Listed>(&self, member: &T) -> bool {
        let has_text = |text: &String| member.names().iter().any(|name| name.to_lowercase().contains(text));
        self.q.as_ref().is_none_or(has_text)
            && self.labels.iter().all(|label| member.labels().is_some_and(|labels| label.matches(labels)))
    }

    fn place<T: Listed>(&self, member: &T) -> Place {
        (member.key(self.sort), member.id().to_owned())
    }

    /// The place behind which the page begins. Links tell it in full, for its member may be gone by then.
    fn after<T: Listed>(&self, all: &[T]) -> Result<Option<Place>, Problem> {
        let Some(id) = self.parameters.get("after") else { return Ok(None) };
        if self.sort == T::SORT_OF_ID {
            return Ok(Some((id.to_owned(), id.to_owned())));
        }
        if let Some(key) = self.parameters.get("afterKey") {
            return Ok(Some((key.to_owned(), id.to_owned())));
        }
        let member = all.iter().find(|member| member.id() == id).ok_or_else(|| {
            let detail = "is the id of none that is in the list; follow the Link of the page before, which also \
                holds when its last member was deleted";
            Problem::parameter("after", detail)
        })?;
        Ok(Some(self.place(member)))
    }

    /// The link to the page behind `last` (RFC 8288). It is a query alone, so it holds below any path that a
    /// proxy adds.
    fn link<T: Listed>(&self, (key, id): &Place) -> String {
        let is_kept = |name: &str| !matches!(name, "after" | "afterKey");
        let mut pairs: Vec<(&str, &str)> = self.parameters.iter().filter(|(name, _)| is_kept(name)).collect();
        pairs.push(("after", id));
        if self.sort != T::SORT_OF_ID {
            pairs.push(("afterKey", key));
        }
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value.as_bytes())));
        format!("<?{}>; rel=\"next\"", pairs.collect::<Vec<_>>().join("&"))
    }
}

fn limit(text: String) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
    number.ok_or_else(|| format!("must be a whole number from 1 to {MAX_LIMIT}"))
}

fn search(text: String) -> Result<String, String> {
    if text.chars().count() > MAX_QUERY {
        return Err(format!("is longer than {MAX_QUERY} characters"));
    }
    Ok(text.to_lowercase())
}

//! Rules 3 to 8: where status codes, features and unsafe code may stand, and how long things may be.

use std::collections::BTreeMap;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;

use crate::source::{Crate, Source, is_test};

/// The crates that may not forbid unsafe code.
const WITH_UNSAFE: [&str; 2] = ["loop-mount", "sandbox"];

/// Names of which a crate may have several: an `Error` of each module, and what a handle or a builder holds.
const COMMON_NAMES: [&str; 3] = ["Error", "Inner", "Builder"];

const MAX_COLUMNS: usize = 110;
const MAX_LINES: usize = 400;

/// Rule 3.
pub(crate) fn status_code(source: &Source) -> Option<String> {
    // `fetch` is a client: it reads the codes of servers, and answers none.
    let at_home =
        ["crates/http-service", "crates/file-transport", "crates/fetch", "src/northbound", "src/southbound"];
    let is_api = source.path.components().any(|part| part.as_os_str() == "api");
    if is_api || at_home.iter().any(|folder| source.path.starts_with(folder)) {
        return None;
    }
    let items = source.parsed().items;
    let mut code = items.iter().filter(|item| !is_test_item(item));
    let is_named = code.any(|item| mentions(&quote(item), "StatusCode"));
    is_named.then(|| source.path.display().to_string())
}

/// Rule 4.
pub(crate) fn features(source: &Source) -> Vec<String> {
    if source.path == Path::new("src/components.rs") {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = lines.filter(|(_, line)| line.contains("cfg(feature"));
    found.map(|(index, _)| format!("{}:{}", source.path.display(), index + 1)).collect()
}

/// Rule 5: the workspace forbids unsafe code, and each crate but a few takes the lints of the workspace.
pub(crate) fn unsafe_code(crates: &[Crate]) -> Vec<String> {
    let workspace = Source::text_of("Cargo.toml");
    let mut found = Vec::new();
    if !workspace.contains("unsafe_code = \"forbid\"") {
        found.push("Cargo.toml no longer forbids unsafe code".to_owned());
    }
    for each in crates.iter().filter(|each| !WITH_UNSAFE.contains(&each.name.as_str())) {
        if !each.manifest.contains("[lints]\nworkspace = true") {
            found.push(format!("{} does not take the lints of the workspace", each.name));
        }
    }
    found
}

/// Rule 6.
pub(crate) fn doubled_types(each: &Crate) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in each.sources.iter().filter(|source| !is_test_file(source)) {
        for item in source.parsed().items.iter().filter(|item| !is_test_item(item)) {
            if let Some(name) = type_name(item).filter(|name| !COMMON_NAMES.contains(&name.as_str())) {
                places.entry(name).or_default().push(source.path.display().to_string());
            }
        }
    }
    places.retain(|_, files| files.len() > 1);
    places.into_iter().map(|(name, files)| format!("{name}: {}", files.join(", "))).collect()
}

/// Rule 7, for files.
pub(crate) fn long_file(source: &Source) -> Option<String> {
    if is_test_file(source) {
        return None;
    }
    let parsed = source.parsed();
    let tests = parsed.items.iter().filter(|item| is_test_item(item));
    let of_tests: usize = tests.map(|item| item.span().end().line + 1 - item.span().start().line).sum();
    let lines = source.text.lines().count() - of_tests;
    (lines > MAX_LINES).then(|| format!("{}: {lines} lines", source.path.display()))
}

/// Rule 8. Tables in comments and string literals may be longer.
pub(crate) fn long_lines(source: &Source) -> Vec<String> {
    let is_long = |line: &str| line.chars().count() > MAX_COLUMNS;
    if !source.text.lines().any(is_long) {
        return Vec::new();
    }
    let mut literals = Vec::new();
    if let Ok(tokens) = source.text.parse::<TokenStream>() {
        literal_lines(tokens, &mut literals);
    }
    let is_table = |line: &str| {
        let comment = line.trim_start().trim_start_matches(['/', '!']).trim();
        line.trim_start().starts_with("//") && comment.starts_with('|') && comment.ends_with('|')
    };
    let lines = source.text.lines().enumerate().map(|(index, line)| (index + 1, line));
    // The text of a doc comment is a literal too, to the parser.
    let is_literal = |number, line: &str| !line.trim_start().starts_with("//") && literals.contains(&number);
    let wrong = lines.filter(|(number, line)| is_long(line) && !is_table(line) && !is_literal(*number, line));
    wrong
        .map(|(number, line)| format!("{}:{number}: {} columns", source.path.display(), line.chars().count()))
        .collect()
}

/// The lines that a string literal reaches beyond the last column, or that are within one.
fn literal_lines(tokens: TokenStream, found: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => literal_lines(group.stream(), found),
            TokenTree::Literal(literal) if literal.to_string().contains('"') => {
                let (start, end) = (literal.span().start(), literal.span().end());
                found.extend(start.line..end.line);
                // What follows a literal must fit by itself.
                found.extend((end.column > MAX_COLUMNS.saturating_sub(8)).then_some(end.line));
            }
            _ => {}
        }
    }
}

fn is_test_item(item: &syn::Item) -> bool {
    match item {
        syn::Item::Mod(item) => is_test(&item.attrs),
        syn::Item::Fn(item) => is_test(&item.attrs),
        syn::Item::Use(item) => is_test(&item.attrs),
        syn::Item::Impl(item) => is_test(&item.attrs),
        syn::Item::Struct(item) => is_test(&item.attrs),
        syn::Item::Enum(item) => is_test(&item.attrs),
        _ => false,
    }
}

/// A file of unit tests beside what it tests.
fn is_test_file(source: &Source) -> bool {
    let name = source.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let in_tests = source.path.components().any(|part| part.as_os_str() == "tests");
    name == "tests" || name.ends_with("_tests") || in_tests
}

fn type_name(item: &syn::Item) -> Option<String> {
    match item {
        syn::Item::Struct(item) => Some(item.ident.to_string()),
        syn::Item::Enum(item) => Some(item.ident.to_string()),
        syn::Item::Union(item) => Some(item.ident.to_string()),
        syn::Item::Trait(item) => Some(item.ident.to_string()),
        syn::Item::Type(item) => Some(item.ident.to_string()),
        _ => None,
    }
}

fn quote(item: &syn::Item) -> TokenStream {
    let mut tokens = TokenStream::new();
    quote::ToTokens::to_tokens(item, &mut tokens);
    tokens
}

fn mentions(tokens: &TokenStream, name: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(&group.stream(), name),
        TokenTree::Ident(ident) => ident == name,
        _ => false,
    })
}

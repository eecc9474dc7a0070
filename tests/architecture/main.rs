//! Checks the sources against the rules of `docs/ARCHITECTURE.md`, and names each offender with file and
//! line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod layers;
mod modules;
mod planted;
mod source;
mod style;

use source::{Crate, Source};

/// Fails with all offences in one message.
fn assert_none(rule: &str, mut offences: Vec<String>) {
    offences.sort();
    offences.dedup();
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

#[test]
fn rooms_know_only_lower_floors() {
    let crates = Crate::all();
    let known = crates.iter().map(|each| each.dependencies.len()).sum::<usize>();
    assert!(known > 0, "no crate depends on another: does this test still read the manifests?");
    assert_none("a crate depends on earlier layers alone", layers::offences(&crates));
}

#[test]
fn the_modules_of_a_crate_are_a_graph_without_circles() {
    let mut circles = Vec::new();
    for each in Crate::all() {
        let graph = modules::graph(&each.sources);
        assert!(
            each.sources.len() < 3 || !graph.is_empty(),
            "{}: no module refers to another: does this test still read the sources?",
            each.name
        );
        circles.extend(modules::circles(&graph).into_iter().map(|circle| format!("{}: {circle}", each.name)));
    }
    assert_none("circles of modules", circles);
}

#[test]
fn status_codes_are_named_by_apis_alone() {
    let sources = Crate::all().into_iter().flat_map(|each| each.sources);
    assert_none(
        "`StatusCode` belongs to an API",
        sources.filter_map(|source| style::status_code(&source)).collect(),
    );
}

#[test]
fn features_are_chosen_in_one_file() {
    let sources = Crate::all().into_iter().flat_map(|each| each.sources);
    assert_none(
        "`cfg(feature` belongs into src/components.rs",
        sources.flat_map(|source| style::features(&source)).collect(),
    );
}

#[test]
fn unsafe_code_is_forbidden_everywhere_but_in_one_crate() {
    assert_none("unsafe code", style::unsafe_code(&Crate::all()));
}

#[test]
fn no_type_name_stands_for_two_things_in_a_crate() {
    assert_none("a name, two types", Crate::all().iter().flat_map(style::doubled_types).collect());
}

#[test]
fn files_functions_and_lines_are_short() {
    let clippy = Source::text_of("clippy.toml");
    assert!(clippy.contains("too-many-lines-threshold = 70"), "clippy.toml no longer bounds functions");
    let manifest = Source::text_of("Cargo.toml");
    assert!(manifest.contains("too_many_lines = "), "the workspace no longer bounds functions");
    let crates = Crate::all();
    let code = crates.iter().flat_map(|each| &each.sources);
    assert_none(
        "a file has at most 400 lines, its tests left out",
        code.filter_map(style::long_file).collect(),
    );
    assert_none(
        "a line has at most 110 columns",
        Source::everywhere().iter().flat_map(style::long_lines).collect(),
    );
}

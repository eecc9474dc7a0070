//! The rules find what was planted, and nothing where nothing is wrong.

use crate::layers;
use crate::modules::{circles, graph};
use crate::source::{Crate, Source, dependencies};
use crate::style;

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.to_owned() }
}

fn crate_of(name: &str, dependencies: &[&str], sources: Vec<Source>) -> Crate {
    let dependencies = dependencies.iter().map(|name| (*name).to_owned()).collect();
    Crate { name: name.to_owned(), dependencies, manifest: String::new(), sources }
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> = files.iter().map(|(path, text)| source(path, text)).collect();
    circles(&graph(&sources))
}

#[test]
fn a_planted_violation_is_found() {
    for (name, other) in [
        ("blobs", "records"),
        ("model", "fetch"),
        ("jobs", "images"),
        ("s3", "ims"),
        ("netboot", "registry"),
        ("iso-reader", "file-transport"),
        ("images", "image-service"),
        ("helpers", "model"),
    ] {
        let offences = layers::offences(&[crate_of(name, &[other], Vec::new())]);
        assert_eq!(offences.len(), 1, "{name} → {other}: {offences:?}");
    }
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nblobs = { path = \"../blobs\" }\n\
                    fetch.workspace = true\n\
                    y = { package = \"jobs\" }\n[dependencies.model]\npath = \"../model\"\n\
                    [dev-dependencies]\nharness = \"1\"\n[dev-dependencies.images]\npath = \"x\"";
    assert_eq!(dependencies(manifest), ["blobs", "fetch", "jobs", "model"]);
}

#[test]
fn planted_circles_are_found() {
    for (files, expected) in [
        // Two neighbours.
        (
            &[
                ("src/a.rs", "use crate::b::B; pub struct A;"),
                ("src/b.rs", "pub struct B(super::a::A);"),
                ("src/lib.rs", "mod a; mod b;"),
            ][..],
            "a → b → a",
        ),
        // A parent that defines what its child needs, and uses the child.
        (
            &[
                ("src/lib.rs", "mod a;"),
                ("src/a/mod.rs", "mod b; pub struct A(b::B);"),
                ("src/a/b.rs", "use super::A; pub struct B;"),
            ],
            "a → a::b → a",
        ),
        // By a name that a third module hands on, in a function, in a macro.
        (
            &[
                ("src/lib.rs", "mod a; mod b; pub use b::B;"),
                ("src/a.rs", "pub fn f() { println!(\"{}\", crate::B::new()) }"),
                ("src/b.rs", "pub struct B; fn g() { crate::a::f() }"),
            ],
            "a → b → a",
        ),
        // By the path of an imported module.
        (
            &[
                ("src/lib.rs", "mod a; mod b;"),
                ("src/a.rs", "use super::b; pub fn f() { b::g() }"),
                ("src/b.rs", "pub fn g() { super::a::f() }"),
            ],
            "a → b → a",
        ),
    ] {
        assert_eq!(circles_of(files), [expected], "{files:?}");
    }
}

#[test]
fn what_is_allowed_is_no_violation() {
    assert!(layers::offences(&[crate_of("ims", &["s3", "model"], Vec::new())]).is_empty());
    for files in [
        // A parent that declares and hands on.
        &[
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
            ("src/a/b.rs", "use super::C; pub struct B(C);"),
            ("src/a/c.rs", "pub struct C;"),
        ][..],
        // Tests know everything.
        &[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
            ("src/b.rs", "pub struct B(crate::a::A); #[cfg(test)] mod tests;"),
            ("src/b/tests.rs", "use super::*;"),
        ],
        // Comments and strings.
        &[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "/// [`crate::b::B`]\npub const A: &str = \"crate::b::B\";"),
            ("src/b.rs", "pub struct B(crate::a::A);"),
        ],
    ] {
        assert_eq!(circles_of(files), Vec::<String>::new(), "{files:?}");
    }
}

#[test]
fn planted_faults_of_style_are_found() {
    assert!(style::status_code(&source("crates/images/src/error.rs", "use http::StatusCode;")).is_some());
    assert!(style::status_code(&source("crates/ims/src/api/error.rs", "use http::StatusCode;")).is_none());
    assert_eq!(
        style::features(&source("src/app.rs", "#[cfg(feature = \"x\")]\nfn f() {}")),
        ["src/app.rs:1"]
    );
    let twice = vec![source("src/a.rs", "pub struct Key;"), source("src/b.rs", "enum Key {}")];
    assert_eq!(style::doubled_types(&crate_of("x", &[], twice)), ["Key: src/a.rs, src/b.rs"]);
    let long = "// x\n".repeat(401);
    assert!(style::long_file(&source("src/a.rs", &long)).is_some());
    let tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert!(style::long_file(&source("src/a.rs", &tests)).is_none());
    let wide = "x".repeat(120);
    assert_eq!(style::long_lines(&source("src/a.rs", &format!("// {wide}"))), ["src/a.rs:1: 123 columns"]);
    let doc = format!("/// {wide}\nfn f() {{}}\n");
    assert_eq!(style::long_lines(&source("src/a.rs", &doc)), ["src/a.rs:1: 124 columns"]);
    let allowed = format!("/// | {wide} |\nconst A: &str = \"{wide}\";\n");
    assert_eq!(style::long_lines(&source("src/a.rs", &allowed)), Vec::<String>::new());
}

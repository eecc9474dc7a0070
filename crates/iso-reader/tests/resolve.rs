//! Paths, links and lenient look-up.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use iso_reader::ResolveError::{Ambiguous, NotADirectory, NotFound, TooManyLinks};
use iso_reader::{Limits, Matching, NodeId, Options, ResolveError, Tree, TreeKind};
use support::disc::{Disc, Record};
use support::susp::{rock_directory, rock_disc, rock_file, rock_link};

fn linked() -> Tree {
    linked_within(Limits::default())
}

fn linked_within(limits: Limits) -> Tree {
    let mut disc = rock_disc(&[
        rock_file(b"file"),
        rock_directory(b"dir", 25),
        rock_link(b"ubuntu", b"."),
        rock_link(b"absolute", b"/dir/inner"),
        rock_link(b"root", b"/"),
        rock_link(b"outside", b"../../../../etc/passwd"),
        rock_link(b"above", b"../../file"),
        rock_link(b"dangling", b"nowhere/file"),
        rock_link(b"self", b"self"),
        rock_link(b"one", b"two"),
        rock_link(b"two", b"dir/../one"),
        rock_link(b"to-dir", b"dir"),
        rock_link(b"through-file", b"file/x"),
    ]);
    disc.directory(
        25,
        &[rock_file(b"inner"), rock_link(b"up", b"../file"), rock_link(b"chain", b"../to-dir/up")],
    );
    Tree::open(&disc.bytes, &Options { limits, ..Options::default() }).unwrap()
}

fn path(tree: &Tree, id: NodeId) -> String {
    String::from_utf8(tree.path(id)).unwrap()
}

/// Without the limit, listing links that each lead through thousands of names would take hours.
#[test]
fn links_lead_through_so_many_names_and_no_more() {
    let tree = linked_within(Limits { link_names: 3, ..Limits::default() });
    let resolve = |path: &str| tree.resolve_path(path, Matching::Exact).map(|id| tree.path(id));
    assert_eq!(resolve("above"), Ok(b"file".to_vec()));
    assert_eq!(resolve("dir/../dir/../dir/../above"), Ok(b"file".to_vec()), "the path itself may be longer");
    assert_eq!(resolve("outside"), Err(TooManyLinks));
    assert_eq!(resolve("ubuntu/ubuntu/ubuntu/ubuntu"), Err(TooManyLinks));
}

#[test]
fn links_stay_inside() {
    let tree = linked();
    let cases: [(&str, Result<&str, ResolveError>); 32] = [
        ("", Ok("")),
        ("/", Ok("")),
        ("file", Ok("file")),
        ("/dir//inner", Ok("dir/inner")),
        ("dir/", Ok("dir")),
        ("dir/.", Ok("dir")),
        ("dir/..", Ok("")),
        ("../../dir/../file", Ok("file")),
        ("file/", Ok("file")),
        ("file/.", Err(NotADirectory)),
        ("file/..", Err(NotADirectory)),
        ("file/x", Err(NotADirectory)),
        ("dir/none", Err(NotFound)),
        ("none/x", Err(NotFound)),
        ("ubuntu", Ok("")),
        ("ubuntu/ubuntu/ubuntu/dir/inner", Ok("dir/inner")),
        ("absolute", Ok("dir/inner")),
        ("root/dir", Ok("dir")),
        ("outside", Err(NotFound)),
        ("above", Ok("file")),
        ("dangling", Err(NotFound)),
        ("self", Err(TooManyLinks)),
        ("self/x", Err(TooManyLinks)),
        ("one", Err(TooManyLinks)),
        ("to-dir/inner", Ok("dir/inner")),
        ("to-dir/..", Ok("")),
        ("dir/up", Ok("file")),
        ("dir/chain", Ok("file")),
        ("to-dir/chain", Ok("file")),
        ("through-file", Err(NotADirectory)),
        ("absolute/x", Err(NotADirectory)),
        ("File", Err(NotFound)),
    ];
    for (request, expected) in cases {
        let found = tree.resolve_path(request, Matching::Exact).map(|id| path(&tree, id));
        assert_eq!(found, expected.map(str::to_owned), "{request}");
    }
}

#[test]
fn hops_are_counted_over_the_whole_path() {
    let tree = linked();
    let request = |count: usize| vec![&b"ubuntu"[..]; count];
    assert_eq!(tree.resolve(request(40), Matching::Exact), Ok(tree.root()));
    assert_eq!(tree.resolve(request(41), Matching::Exact), Err(TooManyLinks));

    let disc = rock_disc(&[rock_file(b"a"), rock_link(b"b", b"a"), rock_link(b"c", b"b")]);
    let limits = Limits { link_hops: 1, ..Limits::default() };
    let tree = Tree::open(&disc.bytes, &Options { limits, ..Options::default() }).unwrap();
    assert!(tree.resolve_path("b", Matching::Exact).is_ok());
    assert_eq!(tree.resolve_path("c", Matching::Exact), Err(TooManyLinks));
}

#[test]
fn lenient_look_up() {
    let mut disc = rock_disc(&[
        rock_directory(b"EFI", 25),
        rock_directory(b"Sub", 26),
        rock_directory(b"sUB", 27),
        rock_file(b"Readme"),
        rock_file(b"README"),
        rock_file(b"B.B00"),
        rock_file(b"exact;1"),
        rock_file(b"exact"),
        rock_file(b"dot."),
        rock_file("Größe".as_bytes()),
    ]);
    disc.directory(25, &[rock_file(b"BootX64.efi")]);
    disc.directory(26, &[]);
    disc.directory(27, &[]);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    let cases: [(&str, Result<&str, ResolveError>); 19] = [
        ("b.b00", Ok("B.B00")),
        ("efi/BOOTX64.EFI", Ok("EFI/BootX64.efi")),
        ("Readme", Ok("Readme")),
        ("README", Ok("README")),
        ("readme", Err(Ambiguous)),
        ("sub/x", Err(Ambiguous)),
        ("Sub", Ok("Sub")),
        ("exact;1", Ok("exact;1")),
        ("exact;2", Ok("exact")),
        ("EXACT;12", Ok("exact")),
        ("b.b00.", Ok("B.B00")),
        ("b.b00.;1", Ok("B.B00")),
        ("b.b00..", Err(NotFound)),
        ("b.b00;", Err(NotFound)),
        ("dot.", Ok("dot.")),
        ("dot", Err(NotFound)),
        ("gröSSe", Err(NotFound)),
        ("GRößE", Ok("Größe")),
        (";1", Err(NotFound)),
    ];
    for (request, expected) in cases {
        let found = tree.resolve_path(request, Matching::Lenient).map(|id| path(&tree, id));
        assert_eq!(found, expected.map(str::to_owned), "{request}");
        let exact = tree.resolve_path(request, Matching::Exact).map(|id| path(&tree, id));
        assert_eq!(exact.is_ok(), found == Ok(request.to_owned()), "{request}");
    }
}

#[test]
fn esxi_asks_a_plain_disc_in_either_case() {
    let mut disc = Disc::new();
    let file = disc.file(b"B.B00;1", 30, b"vib");
    disc.directory(disc.root(), &[file, Record::file(b"BOOT.CFG;1", 30, 3)]);
    let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
    assert_eq!(tree.volume().kind(), TreeKind::Plain);
    for request in ["/b.b00", "/B.B00", "/B.B00;1", "boot.cfg", "BOOT.CFG"] {
        assert!(tree.resolve_path(request, Matching::Lenient).is_ok(), "{request}");
    }
    assert_eq!(tree.resolve_path("/B.B00", Matching::Exact), Err(NotFound));
}

#[test]
fn memory_is_the_same_before_and_after_the_first_lenient_look_up() {
    let tree = linked();
    let before = tree.memory();
    assert!(tree.resolve_path("FILE", Matching::Lenient).is_ok());
    assert_eq!(tree.memory(), before);
}

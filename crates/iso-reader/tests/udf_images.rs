//! UDF images made by genisoimage, mkudffs and Linux, compared with their source, with the files that 7z
//! unpacks, and with the lists that Linux made of them.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use iso_reader::{Matching, NodeId, NodeKind, Options, Tree, TreeKind};
use support::Random;
use support::compare::{Attributes, assert_same};
use support::tools::{Workshop, run, tool};

fn open(image: &Path, tree: Option<TreeKind>) -> (Tree, File) {
    let file = File::open(image).unwrap();
    let tree = Tree::open(&file, &Options { tree, ..Options::default() }).unwrap();
    assert!(tree.warnings().is_empty(), "{:?}", tree.warnings());
    assert_eq!((tree.damaged(), tree.is_truncated()), (0, false));
    (tree, file)
}

/// Writes files of sizes around those of blocks, with names in both forms of UDF.
fn write_source(folder: &Path) {
    let mut random = Random(42);
    for directory in ["", "boot", "boot/grub", "sources", "sources/$OEM$", "empty"] {
        fs::create_dir_all(folder.join(directory)).unwrap();
        if directory == "empty" {
            continue;
        }
        for size in [0, 1, 2047, 2048, 2049, 70_000] {
            let bytes: Vec<u8> = (0..size).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
            fs::write(folder.join(directory).join(format!("File {size}.bin")), bytes).unwrap();
        }
    }
    for name in ["Grüße.txt", "漢字.cfg", "no extension", ".hidden"] {
        fs::write(folder.join(name), name).unwrap();
    }
}

/// The image of a fixture, unpacked into a workshop.
fn fixture(workshop: &Workshop, name: &str) -> (PathBuf, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/linux_udf");
    let image = workshop.path(format!("{name}.img"));
    let output = tool("gzip").arg("-dc").arg(folder.join(format!("{name}.img.gz"))).output().unwrap();
    assert!(output.status.success());
    fs::write(&image, output.stdout).unwrap();
    (image, fs::read_to_string(folder.join(format!("{name}.list"))).unwrap())
}

#[test]
fn volumes_filled_by_linux() {
    let workshop = Workshop::new("udf-linux");
    for name in ["512-1.02", "2048-1.50", "4096-2.01"] {
        let (image, list) = fixture(&workshop, name);
        let (tree, file) = open(&image, None);
        assert_eq!(tree.volume().label(), format!("Linux {name}"));
        let mut ours: Vec<String> =
            tree.nodes().skip(1).map(|id| line(&workshop, &tree, &file, id)).collect();
        let mut theirs: Vec<&str> = list.lines().collect();
        ours.sort();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{name}");
        let sparse = tree.resolve_path("sparse", Matching::Exact).unwrap();
        // More than an entry of 512 or 2048 bytes can hold: a chain of allocation descriptors.
        assert!(tree.extents(sparse).len() > 250, "{name}");
        // Names of one file lead to one extent.
        let first = |path: &str| tree.extents(tree.resolve_path(path, Matching::Exact).unwrap()).next();
        assert!(first("hard").is_some());
        assert_eq!((first("hard"), first("hard")), (first("dir/small"), first("dir/sub/hard")));
        assert_eq!(
            tree.resolve_path("link", Matching::Exact),
            tree.resolve_path("dir/small", Matching::Exact)
        );
    }
}

/// An entry in the words of `fixtures/linux_udf/make`.
fn line(workshop: &Workshop, tree: &Tree, image: &File, id: NodeId) -> String {
    let node = tree.node(id);
    let path = String::from_utf8(tree.path(id)).unwrap();
    match node.kind() {
        NodeKind::Directory => format!("directory {:o} - - - {path}", node.mode()),
        NodeKind::Link => {
            format!("link - - - - {path} -> {}", str::from_utf8(node.link_target().unwrap()).unwrap())
        }
        NodeKind::File => {
            let mut digest = "-".to_owned();
            if node.size() < 100_000_000 {
                let mut bytes = vec![0; usize::try_from(node.size()).unwrap()];
                assert_eq!(tree.read_at(image, id, &mut bytes, 0).unwrap(), bytes.len());
                let copy = workshop.path("copy");
                fs::write(&copy, bytes).unwrap();
                let output = tool("sha256sum").arg(copy).output().unwrap().stdout;
                digest = str::from_utf8(&output[..64]).unwrap().to_owned();
            }
            format!("file {:o} {} {} {digest} {path}", node.mode(), node.size(), node.modified())
        }
    }
}

/// Unpacks the UDF tree of an image.
fn unpack(image: &Path, into: &Path) {
    let mut output = OsString::from("-o");
    output.push(into);
    run(tool("7z").args(["x", "-bso0", "-bsp0", "-tudf"]).arg(output).arg(image));
}

#[test]
fn bridges_of_genisoimage() {
    let workshop = Workshop::new("udf-bridge");
    let source = workshop.folder("source");
    write_source(&source);
    let cases: [(&str, &[&str], TreeKind, &[TreeKind]); 3] = [
        ("alone", &[], TreeKind::Udf, &[TreeKind::Udf, TreeKind::Plain]),
        ("joliet", &["-J"], TreeKind::Udf, &[TreeKind::Udf, TreeKind::Joliet, TreeKind::Plain]),
        ("rock", &["-R"], TreeKind::RockRidge, &[TreeKind::RockRidge, TreeKind::Udf, TreeKind::Plain]),
    ];
    for (name, options, best, available) in cases {
        let image = workshop.path(format!("{name}.iso"));
        run(tool("genisoimage")
            .args(["-quiet", "-udf", "-V", "BRIDGE", "-input-charset", "utf-8", "-o"])
            .arg(&image)
            .args(options)
            .arg(&source));
        let (tree, _) = open(&image, None);
        assert_eq!((tree.volume().kind(), tree.volume().available()), (best, available), "{name}");
        let (tree, file) = open(&image, Some(TreeKind::Udf));
        assert_eq!((tree.volume().label(), tree.volume().block_size()), ("BRIDGE", 2048));
        assert_same(&tree, &file, &source, Attributes::None, &[]);
        let unpacked = workshop.path(format!("{name}.unpacked"));
        unpack(&image, &unpacked);
        assert_same(&tree, &file, &unpacked, Attributes::None, &[]);
        for request in ["SOURCES/$oem$/file 2049.BIN", "/sources/$OEM$/File 2049.bin;1", "gRüßE.TXT"] {
            assert!(tree.resolve_path(request, Matching::Lenient).is_ok(), "{request}");
        }
    }
}

#[test]
fn a_disc_like_those_of_windows() {
    let workshop = Workshop::new("udf-windows");
    let source = workshop.folder("source");
    write_source(&source);
    // The ISO 9660 tree has nothing but a note about the other tree.
    fs::write(source.join("README.TXT"), "This disc contains a \"UDF\" file system").unwrap();
    let image = workshop.path("image.iso");
    let hidden = ["File*", "*.txt", "*.cfg", "no*", ".hidden", "boot", "sources", "empty"];
    let hidden = hidden.iter().flat_map(|pattern| ["-hide", pattern]);
    let maker = ["-quiet", "-udf", "-iso-level", "3", "-input-charset", "utf-8"];
    run(tool("genisoimage").args(maker).args(hidden).arg("-o").arg(&image).arg(&source));
    let (tree, file) = open(&image, None);
    assert_eq!(tree.volume().kind(), TreeKind::Udf);
    assert_same(&tree, &file, &source, Attributes::None, &[]);
    let (tree, _) = open(&image, Some(TreeKind::Plain));
    assert_eq!(support::listing(&tree), "readme.txt=38");
}

#[test]
fn ten_thousand_files() {
    let workshop = Workshop::new("udf-many");
    let source = workshop.folder("source");
    for directory in 0..20 {
        let folder = source.join(format!("dir{directory:02}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..500 {
            let name = format!("package-{file:03}-{}.x86_64.rpm", directory * 7919 + file);
            fs::write(folder.join(&name), name.repeat(1 + file % 7)).unwrap();
        }
    }
    let image = workshop.path("image.iso");
    run(tool("genisoimage").args(["-quiet", "-udf", "-o"]).arg(&image).arg(&source));
    let (tree, file) = open(&image, None);
    assert_eq!((tree.volume().kind(), tree.len()), (TreeKind::Udf, 10_021));
    assert_same(&tree, &file, &source, Attributes::None, &[]);
}

#[test]
fn volumes_of_mkudffs() {
    let workshop = Workshop::new("udf-made");
    for block_size in [512, 1024, 2048, 4096] {
        for revision in ["1.02", "1.50", "2.00", "2.01"] {
            let image = workshop.path(format!("{block_size}-{revision}.img"));
            let label = "Größe 漢";
            File::create(&image).unwrap().set_len(8 << 20).unwrap();
            run(tool("mkudffs")
                .args(["--utf8", "--media-type=hd", "--label", label])
                .arg(format!("--udfrev={revision}"))
                .arg(format!("--blocksize={block_size}"))
                .arg(&image));
            let (tree, file) = open(&image, None);
            let about = tree.volume();
            assert_eq!((about.label(), about.kind()), (label, TreeKind::Udf));
            assert_eq!((about.block_size(), tree.is_empty()), (block_size, true), "{revision}");
            assert!(about.application().starts_with("Linux mkudffs"), "{}", about.application());
            // Without the first anchor there are others.
            let anchor = u64::from(256 * block_size);
            std::os::unix::fs::FileExt::write_all_at(
                &File::options().write(true).open(&image).unwrap(),
                &[0; 512],
                anchor,
            )
            .unwrap();
            assert!(Tree::open(&file, &Options::default()).is_ok(), "{block_size}");
        }
    }
    // The error names the kind of media that is not supported.
    for (media, revision, options, reason) in [
        ("cdr", "1.50", &["--closed"][..], "virtual partition"),
        ("bdr", "2.50", &["--closed"], "virtual partition"),
        ("cdrw", "2.01", &[], "sparable partition"),
    ] {
        let image = workshop.path(format!("{media}-{revision}.img"));
        File::create(&image).unwrap().set_len(32 << 20).unwrap();
        run(tool("mkudffs")
            .arg(format!("--media-type={media}"))
            .arg(format!("--udfrev={revision}"))
            .arg("--blocksize=2048")
            .args(options)
            .arg(&image));
        let error = Tree::open(&File::open(&image).unwrap(), &Options::default()).unwrap_err();
        assert!(error.to_string().contains(reason), "{media} {revision}: {error}");
    }
}

//! The folder `static/` as the project ships it.

use super::pages::{path, read};
use harness::{Setup, http};
use serde_json::json;

#[test]
fn the_readme_of_the_static_folder_is_neither_an_iso_nor_a_microkernel() {
    let ignored = read(".gitignore");
    let kept: Vec<&str> = ignored.lines().filter(|line| line.contains("/static")).collect();
    assert_eq!(kept, ["/static/*", "!/static/README.md"], "only the README is in the project");
    let readme = std::fs::read(path("static/README.md")).unwrap();
    let service = Setup::new().file("static/README.md", &readme).start();
    for list in ["/iso", "/microkernel", "/images"] {
        assert_eq!(http::get(&service.north(list)).expect_status(200).json(), json!([]), "{list}");
    }
    for store in ["/iso/", "/common/"] {
        let names = http::get_with(&service.south(store), &[("Accept", "application/json")]);
        assert_eq!(names.expect_status(200).json(), json!([]), "{store}");
        http::get(&service.south(&format!("{store}README.md"))).expect_status(404);
    }
    assert_eq!(http::get(&service.south("/README.md")).expect_status(200).body, readme, "as it lies on disk");
}

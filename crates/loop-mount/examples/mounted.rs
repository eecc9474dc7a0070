//! Mounts an image, lists its root directory and unmounts it: `mounted IMAGE EMPTY-FOLDER`, as root.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(image), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: mounted IMAGE EMPTY-FOLDER".into());
    };
    let mount = loop_mount::mount(Path::new(&image), Path::new(&target))?;
    let listed = list(mount.target());
    // The mount outlives the program otherwise, whatever became of the listing.
    mount.unmount()?;
    listed
}

fn list(folder: &Path) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(folder)? {
        println!("{}", entry?.file_name().display());
    }
    Ok(())
}

//! The checks of the program itself, beside those of components.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use component::{Check, Core};
use file_transport::Workers;
use records::followed;
use rustix::fs::{Access, access, statvfs};
use tokio::runtime::Handle;

/// How long changes of the inventory may take. A slow disk is no reason to start the program again.
const LONGEST_CHANGE: Duration = Duration::from_secs(60);

/// What must turn: the threads of connections, the main runtime, and the writer of the inventory.
pub(super) fn liveness(core: &Core, workers: &Arc<Workers>) -> Vec<Check> {
    let (workers, main, inventory) = (Arc::clone(workers), Handle::current(), Arc::clone(&core.inventory));
    let turn = move || {
        let turn = workers.turn();
        async move {
            turn.await;
            Ok(())
        }
    };
    let main_turn = move || {
        let turn = main.spawn(async {});
        async move { turn.await.map_err(|_| "it has ended".to_owned()) }
    };
    let writer = move || {
        let busy = inventory.busy_for();
        std::future::ready(match busy {
            None => Err("its thread has ended".to_owned()),
            Some(busy) if busy > LONGEST_CHANGE => {
                Err(format!("it has worked on one change for {} seconds", busy.as_secs()))
            }
            Some(_) => Ok(()),
        })
    };
    vec![
        Check::new("connections", turn),
        Check::new("requests", main_turn),
        Check::new("inventory writer", writer),
    ]
}

/// The inventory can be written: at `file`, or where links lead from there.
pub(super) fn inventory(file: &Path) -> Check {
    let file = followed(file.to_owned()).unwrap_or_else(|_| file.to_owned());
    Check::new("inventory", move || {
        let file = file.clone();
        async move {
            let checked = tokio::task::spawn_blocking(move || expect_writable(&file)).await;
            checked.map_err(|_| "the check itself failed; the log says more".to_owned())?
        }
    })
}

fn expect_writable(file: &Path) -> Result<(), String> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("its folder cannot be written ({})", std::io::Error::from(error).kind()))?;
    let disk = statvfs(folder).map_err(|_| "its disk does not answer".to_owned())?;
    let size = std::fs::metadata(file).map_or(0, |found| found.len());
    if disk.f_bavail.saturating_mul(disk.f_frsize) <= size {
        return Err("its disk is full: each change writes it anew".into());
    }
    if disk.f_files > 0 && disk.f_favail == 0 {
        return Err("its disk has no inode left".into());
    }
    Ok(())
}

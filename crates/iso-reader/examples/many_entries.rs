//! Writes a Rock Ridge image of very many empty files, in a second where xorriso takes minutes:
//! `cargo run --release -p iso-reader --example many_entries -- IMAGE DIRECTORIES`.
//!
//! Each directory holds 1,000 files with the attributes that genisoimage records. The image has path tables,
//! so that other readers can be measured on it as well.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

const SECTOR: usize = 2048;
const FILES: u32 = 1000;
/// The sector behind the two descriptors.
const PATH_TABLES: u32 = 18;
const DATE: [u8; 7] = [124, 2, 29, 12, 34, 56, 0];

type Bytes = Result<Vec<u8>, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (path, count) =
        arguments.next().zip(arguments.next()).ok_or("usage: many_entries IMAGE DIRECTORIES")?;
    let count: u32 = count.parse()?;

    // All numbers have a fixed width, so the sizes are known before the sectors are.
    let table_sectors = sectors(&path_table(count, 0, 0, 0, true)?)?;
    let child_sectors = sectors(&child(0, 0, 0, 0, 0)?)?;
    let root_sectors = sectors(&root(count, 0, 0, 0, 0)?)?;
    let root_at = PATH_TABLES + 2 * table_sectors;
    let first = root_at + root_sectors;
    let end = first + count * child_sectors;

    let mut image = BufWriter::with_capacity(1 << 20, File::create(path)?);
    image.write_all(&[0; 16 * SECTOR])?;
    let little = path_table(count, root_at, first, child_sectors, true)?;
    image.write_all(&descriptor(end, u32::try_from(little.len())?, table_sectors, root_at, root_sectors)?)?;
    image.write_all(&padded(b"\xFFCD001\x01".to_vec()))?;
    image.write_all(&padded(little))?;
    image.write_all(&padded(path_table(count, root_at, first, child_sectors, false)?))?;
    image.write_all(&root(count, root_at, root_sectors, first, child_sectors)?)?;
    for at in 0..count {
        image.write_all(&child(at, first + at * child_sectors, child_sectors, root_at, root_sectors)?)?;
    }
    image.flush()?;
    Ok(())
}

/// The primary volume descriptor (ECMA-119 8.4).
fn descriptor(end: u32, table: u32, table_sectors: u32, root_at: u32, root_sectors: u32) -> Bytes {
    let mut bytes = padded(b"\x01CD001\x01".to_vec());
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(8, format!("{:32}{:32}", "LINUX", "MANY").as_bytes());
    put(80, &both(end));
    put(120, &[1, 0, 0, 1, 1, 0, 0, 1, 0, 8, 8, 0]);
    put(132, &both(table));
    put(140, &PATH_TABLES.to_le_bytes());
    put(148, &(PATH_TABLES + table_sectors).to_be_bytes());
    put(156, &record(&[0], root_at, root_sectors, &[])?);
    put(190, &[b' '; 623]);
    put(813, b"2024022912345600\x002024022912345600\x000000000000000000\x000000000000000000\0\x01");
    Ok(bytes)
}

/// A path table (ECMA-119 9.4) in one of the two byte orders.
fn path_table(count: u32, root_at: u32, first: u32, child_sectors: u32, little: bool) -> Bytes {
    let mut bytes = Vec::new();
    let mut put = |name: &[u8], at: u32| -> Result<(), Box<dyn Error>> {
        bytes.extend([u8::try_from(name.len())?, 0]);
        bytes.extend(if little { at.to_le_bytes() } else { at.to_be_bytes() });
        bytes.extend(if little { 1_u16.to_le_bytes() } else { 1_u16.to_be_bytes() });
        bytes.extend(name);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        Ok(())
    };
    put(&[0], root_at)?;
    for at in 0..count {
        put(format!("DIR{at:05}").as_bytes(), first + at * child_sectors)?;
    }
    Ok(bytes)
}

/// The root directory. Its entry for itself announces Rock Ridge.
fn root(count: u32, root_at: u32, root_sectors: u32, first: u32, child_sectors: u32) -> Bytes {
    let announcement = b"SP\x07\x01\xBE\xEF\x00ER\x12\x01\x0A\x00\x00\x01RRIP_1991A";
    let itself = [&announcement[..], &attributes(0o040_755, b"")?].concat();
    let mut records = vec![
        record(&[0], root_at, root_sectors, &itself)?,
        record(&[1], root_at, root_sectors, &attributes(0o040_755, b"")?)?,
    ];
    for at in 0..count {
        let attributes = attributes(0o040_755, format!("directory-{at:05}").as_bytes())?;
        records.push(record(
            format!("DIR{at:05}").as_bytes(),
            first + at * child_sectors,
            child_sectors,
            &attributes,
        )?);
    }
    Ok(directory(&records))
}

/// A directory of files with names like those of packages on an installer disc.
fn child(number: u32, itself: u32, child_sectors: u32, root_at: u32, root_sectors: u32) -> Bytes {
    let mut records = vec![
        record(&[0], itself, child_sectors, &attributes(0o040_755, b"")?)?,
        record(&[1], root_at, root_sectors, &attributes(0o040_755, b"")?)?,
    ];
    for file in 0..FILES {
        let name = format!("package-name-{number:05}-{file:03}.el9.x86_64.rpm");
        let attributes = attributes(0o100_644, name.as_bytes())?;
        records.push(record(format!("PACK{file:04}.RPM;1").as_bytes(), 0, 0, &attributes)?);
    }
    Ok(directory(&records))
}

/// A directory record (ECMA-119 9.1): a directory of `sectors` sectors, or an empty file if that is 0.
fn record(name: &[u8], at: u32, sectors: u32, system_use: &[u8]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend(both(at));
    bytes.extend(both(sectors * u32::try_from(SECTOR)?));
    bytes.extend(DATE);
    bytes.extend([if sectors > 0 { 2 } else { 0 }, 0, 0, 1, 0, 0, 1, u8::try_from(name.len())?]);
    bytes.extend(name);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes.extend(system_use);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes[0] = u8::try_from(bytes.len())?;
    Ok(bytes)
}

/// Mode, times and name as Rock Ridge records them (IEEE P1282 4.1).
fn attributes(mode: u32, name: &[u8]) -> Bytes {
    let mut bytes = b"PX\x24\x01".to_vec();
    for number in [mode, 1, 0, 0] {
        bytes.extend(both(number));
    }
    bytes.extend(b"TF\x1A\x01\x0E");
    bytes.extend([DATE; 3].concat());
    if !name.is_empty() {
        bytes.extend([b'N', b'M', u8::try_from(name.len() + 5)?, 1, 0]);
        bytes.extend(name);
    }
    Ok(bytes)
}

/// Puts records into sectors. None crosses a border (ECMA-119 6.8.1.1).
fn directory(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        if bytes.len() % SECTOR + record.len() > SECTOR {
            bytes = padded(bytes);
        }
        bytes.extend(record);
    }
    padded(bytes)
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

fn sectors(bytes: &[u8]) -> Result<u32, Box<dyn Error>> {
    Ok(u32::try_from(bytes.len().div_ceil(SECTOR))?)
}

fn both(number: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

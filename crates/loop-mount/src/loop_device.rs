//! Loop devices: the kernel shows a file as a read-only block device. This is the only module of the crate
//! with `unsafe`, because the two ioctls of `linux/loop.h` have no safe wrapper.

#![expect(unsafe_code, reason = "ioctls of the loop driver; see each SAFETY line")]

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::ioctl::{self, Ioctl, IoctlOutput, Opcode, Setter};

use crate::error::Error;

const CONTROL: &str = "/dev/loop-control";

/// How often to ask for a free device. Another process may take the device before this one configures it.
const ATTEMPT_LIMIT: usize = 64;

/// An attached loop device. The kernel detaches it when this handle and every mount of it are gone.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    path: PathBuf,
    _open: File,
}

impl LoopDevice {
    /// Attaches `image` to a free loop device, read-only, to be detached on last close.
    pub(crate) fn attach(image: &File) -> Result<Self, Error> {
        let control = File::open(CONTROL).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoLoopDevice { reason: format!("{CONTROL} does not exist") },
            _ => open_error(Path::new(CONTROL), &error),
        })?;
        for _ in 0..ATTEMPT_LIMIT {
            let number = free_number(&control).map_err(|error| match error {
                Errno::NOSPC | Errno::NODEV => {
                    Error::NoLoopDevice { reason: "each one is in use".to_owned() }
                }
                other => Error::of_call("get a free loop device from", Path::new(CONTROL), other),
            })?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            // Opened read-only: the kernel then refuses writes whatever the flags say.
            let device = match OpenOptions::new().read(true).open(&path) {
                Ok(device) => device,
                Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(Error::NoLoopDevice { reason: format!("{} does not exist", path.display()) });
                }
                Err(error) => return Err(open_error(&path, &error)),
            };
            match configure(&device, image) {
                Ok(()) => return Ok(Self { path, _open: device }),
                Err(Errno::BUSY | Errno::NXIO) => {}
                Err(error) => return Err(Error::of_call("attach an image to", &path, error)),
            }
        }
        Err(Error::NoLoopDevice { reason: format!("other processes took {ATTEMPT_LIMIT} free ones first") })
    }

    /// The device file, such as `/dev/loop7`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The failure to open a device file, in which `EACCES` means missing privileges.
fn open_error(path: &Path, error: &io::Error) -> Error {
    Error::of_call("open", path, Errno::from_io_error(error).unwrap_or(Errno::IO))
}

/// Asks the driver for a free device (Linux 3.1). It makes one if need be.
fn free_number(control: &File) -> rustix::io::Result<u32> {
    // SAFETY: `control` is /dev/loop-control, whose driver defines this opcode. It takes no argument, touches
    // no memory of this process and answers with the return value, which is what `GetFree` describes.
    unsafe { ioctl::ioctl(control, GetFree) }
}

/// Attaches `image` to `device` in one step (Linux 5.8). `EBUSY` means that another process was faster.
fn configure(device: &File, image: &File) -> rustix::io::Result<()> {
    let config = LoopConfig {
        // A descriptor in use is never negative.
        image: image.as_raw_fd().cast_unsigned(),
        block_size: 0,
        info: LoopInfo { flags: READ_ONLY | AUTOCLEAR, ..LoopInfo::ZERO },
        reserved: [0; 8],
    };
    // SAFETY: `LoopConfig` is laid out as `struct loop_config` of linux/loop.h (size and offsets asserted
    // below), which is what this opcode reads; the kernel only reads it. `image` outlives the call and the
    // kernel takes its own reference to the file.
    let call = unsafe { Setter::<CONFIGURE, LoopConfig>::new(config) };
    // SAFETY: `device` is a /dev/loopN, whose driver defines this opcode; `call` pairs it with the type it
    // reads.
    unsafe { ioctl::ioctl(device, call) }
}

// From linux/loop.h.
const GET_FREE: Opcode = 0x4C82;
const CONFIGURE: Opcode = 0x4C0A;
const READ_ONLY: u32 = 1;
const AUTOCLEAR: u32 = 4;

/// `LOOP_CTL_GET_FREE`: no argument, the answer is the return value.
struct GetFree;

// SAFETY: the opcode is `LOOP_CTL_GET_FREE`, which ignores its argument (null here) and writes no memory, so
// it is not mutating and `output_from_ptr` never follows the pointer.
unsafe impl Ioctl for GetFree {
    type Output = u32;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(number: IoctlOutput, _: *mut c_void) -> rustix::io::Result<u32> {
        u32::try_from(number).map_err(|_| Errno::NODEV)
    }
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    image: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl LoopInfo {
    const ZERO: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
}

const _: () = {
    assert!(size_of::<LoopInfo>() == 232);
    assert!(std::mem::offset_of!(LoopInfo, flags) == 52);
    assert!(size_of::<LoopConfig>() == 304);
    assert!(std::mem::offset_of!(LoopConfig, info) == 8);
};

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::io::{Read, Write};

    use super::*;

    const NEEDS_ROOT: &str = "this test must run as root, with loop devices";

    /// A file of two sectors with a recognisable start.
    fn image() -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"first sector").unwrap();
        file.as_file().set_len(1024).unwrap();
        file
    }

    /// What sysfs says of a device, without the line's end; `None` once nothing is attached.
    fn attribute(device: &Path, name: &str) -> Option<String> {
        let folder = Path::new("/sys/block").join(device.file_name().unwrap());
        std::fs::read_to_string(folder.join("loop").join(name)).ok().map(|text| text.trim_end().to_owned())
    }

    #[test]
    fn the_driver_names_a_free_device() {
        let control = File::open(CONTROL).expect(NEEDS_ROOT);
        let number = free_number(&control).unwrap();
        assert!(Path::new(&format!("/dev/loop{number}")).exists());
    }

    #[test]
    fn an_attached_file_is_a_read_only_device_with_its_bytes() {
        let image = image();
        let device = LoopDevice::attach(image.as_file()).expect(NEEDS_ROOT);
        let mut start = [0; 12];
        File::open(device.path()).unwrap().read_exact(&mut start).unwrap();
        assert_eq!(&start, b"first sector");
        assert_eq!(attribute(device.path(), "backing_file").unwrap(), image.path().to_str().unwrap());
        assert_eq!(attribute(device.path(), "autoclear").unwrap(), "1");
        let read_only = Path::new("/sys/block").join(device.path().file_name().unwrap()).join("ro");
        assert_eq!(std::fs::read_to_string(read_only).unwrap().trim(), "1");
    }

    #[test]
    fn a_taken_device_is_busy() {
        let image = image();
        let device = LoopDevice::attach(image.as_file()).expect(NEEDS_ROOT);
        let again = File::open(device.path()).unwrap();
        assert_eq!(configure(&again, image.as_file()), Err(Errno::BUSY));
    }

    #[test]
    fn a_file_that_is_no_device_is_refused_by_the_kernel() {
        let image = image();
        assert_eq!(configure(image.as_file(), image.as_file()), Err(Errno::NOTTY));
        assert_eq!(free_number(image.as_file()), Err(Errno::NOTTY));
    }
}

//! I/O errors in words for people. The system's own texts end in a number: `Connection refused (os error
//! 111)`.

use std::io::{Error, ErrorKind};

/// How the system's texts end, before the number.
const NUMBER: &str = " (os error ";

/// The disk or its driver failed (`errno(3)`).
const EIO: i32 = 5;
/// The system or the process has its most open files.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// What happened, as a clause: `the connection was refused`. A text that the program gave itself stays.
pub fn in_words(error: &Error) -> String {
    if error.get_ref().is_some() {
        return without_numbers(&error.to_string());
    }
    let words = match error.kind() {
        ErrorKind::ConnectionRefused => "the connection was refused",
        ErrorKind::ConnectionReset => "the other side broke the connection",
        ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            "the connection was closed"
        }
        ErrorKind::UnexpectedEof => "it ended too early",
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no answer came in time",
        ErrorKind::HostUnreachable => "no way leads to the host",
        ErrorKind::NetworkUnreachable => "no way leads to its network",
        ErrorKind::NetworkDown => "the network is down",
        ErrorKind::NotFound => "it does not exist",
        ErrorKind::PermissionDenied => "permission is denied",
        ErrorKind::StorageFull => "the disk is full: no space or no inodes are left",
        ErrorKind::QuotaExceeded => "the quota of the disk is used up",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::StaleNetworkFileHandle => "its file server does not know it any more",
        _ => match error.raw_os_error() {
            Some(EIO) => "the disk failed",
            Some(ENFILE | EMFILE) => "too many files are open",
            _ => return without_numbers(&error.to_string()),
        },
    };
    words.to_owned()
}

/// A text of a library without the numbers of the I/O errors in it.
pub fn without_numbers(text: &str) -> String {
    let mut rest = text;
    let mut words = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(NUMBER) {
        words.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    words + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The highest number that Linux gives an error.
    const MOST: i32 = 133;

    #[test]
    fn no_error_of_the_system_shows_its_number() {
        for number in 1..=MOST {
            let words = in_words(&Error::from_raw_os_error(number));
            assert!(!words.contains("os error") && !words.is_empty(), "{number}: {words}");
        }
    }

    #[test]
    fn errors_are_told_in_words() {
        for (number, words) in [
            (111, "the connection was refused"),
            (104, "the other side broke the connection"),
            (113, "no way leads to the host"),
            (110, "no answer came in time"),
            (28, "the disk is full: no space or no inodes are left"),
            (5, "the disk failed"),
            (24, "too many files are open"),
            (18, "Invalid cross-device link"),
        ] {
            assert_eq!(in_words(&Error::from_raw_os_error(number)), words, "{number}");
        }
        assert_eq!(in_words(&Error::other("the name has no address")), "the name has no address");
        assert_eq!(in_words(&Error::from(ErrorKind::UnexpectedEof)), "it ended too early");
        let nested = Error::other(Error::from_raw_os_error(111).to_string());
        assert_eq!(in_words(&nested), "Connection refused");
    }

    #[test]
    fn texts_lose_only_the_numbers() {
        for (text, without) in [
            ("a (Connection refused (os error 111))", "a (Connection refused)"),
            ("x (os error 5), y (os error 6)", "x, y"),
            ("nothing (of the kind)", "nothing (of the kind)"),
            ("cut (os error 11", "cut"),
        ] {
            assert_eq!(without_numbers(text), without);
        }
    }
}

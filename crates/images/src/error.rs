//! What the catalog refuses and what it could not do. Errors are told apart by the side that can repair them:
//! the client (your request, your file) or the operator (our disk). The texts of the first kind go to clients
//! and carry no path of the server.

use std::io;

use crate::trees::{FileError, TreeError};
use blobs::StoreError;
use component::LookupError;
use model::image::{ImageId, Status, WebSource};
use model::names::{FileName, ImageName, ImageVersion, NameError};
use model::stored_file::StoreKind;
use records::inventory::{CommitError, InventoryError};

/// The catalog refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Your request: the name and version are taken.
    #[error("an image {name} {version} exists already")]
    Duplicate {
        /// The image's name.
        name: ImageName,
        /// The image's version.
        version: ImageVersion,
        /// The id of the image that has them.
        id: ImageId,
    },
    /// Your request: the image with this id is another one, and stays it.
    #[error("the image {id} is made from another ISO: {why}; delete it first, or choose another id")]
    NotReplaced {
        /// The image's id.
        id: ImageId,
        /// Why it is not replaced.
        why: &'static str,
    },
    /// Your request: the image or file is not the one that the client has seen.
    #[error("it was changed meanwhile; look at it again")]
    Changed,
    /// Your request: another request is working with the same name at this moment.
    #[error("{0} is being worked on by another request; try again when that has ended")]
    Busy(String),
    /// Your request: another request is working with the file at this moment.
    #[error("the {kind} {name} is being worked on by another request; try again when that has ended")]
    FileBusy {
        /// Its store.
        kind: StoreKind,
        /// Its name.
        name: FileName,
    },
    /// Your request: the ISO may not go or change, because images need it.
    #[error("the ISO {iso} is used by {}", images.join(", "))]
    InUse {
        /// The ISO.
        iso: FileName,
        /// The images that need it, as `name version`.
        images: Vec<String>,
    },
    /// Your request: the name stands for a local ISO registered by reference.
    #[error(
        "the name {0} stands for another ISO, which is registered where it lies on the server; choose another name or delete that one"
    )]
    NameIsLocal(FileName),
    /// Your request: the store already has a file of the local ISO's name.
    #[error("the ISO store has another file named {0}")]
    NameIsStored(FileName),
    /// Your request: there is no such image.
    #[error("no image matches")]
    NoSuchImage,
    /// Your request: the image is not served, so it has no tree.
    #[error("the image {name} {version} is not served: {status}")]
    NotServed {
        /// The image's name.
        name: ImageName,
        /// The image's version.
        version: ImageVersion,
        /// Its status, with the reason if it failed.
        status: Status,
    },
    /// Your request: there is nothing at this path of the image.
    #[error("there is no folder '{0}' in the image")]
    NoSuchFolder(String),
    /// Your request: the entry at this path of the image is no folder.
    #[error("'{0}' is a file of the image, not a folder")]
    NotAFolder(String),
    /// Our disk: the tree cannot be read.
    #[error("{0}")]
    Lookup(LookupError),
    /// Your request: no file of that name.
    #[error("the {kind} store has no file named {name}")]
    NoSuchFile {
        /// Which store.
        kind: StoreKind,
        /// The name asked for.
        name: FileName,
    },
    /// Your file: it is damaged.
    #[error("the file {name} is damaged: {how}")]
    Damaged {
        /// The file.
        name: FileName,
        /// What is wrong with it.
        how: String,
    },
    /// Your file: a program writes to it, so its bytes have no digest.
    #[error("the file {0} changed while it was read; try again when nobody writes to it")]
    Changing(FileName),
    /// Your request: the body is empty.
    #[error("the upload is empty")]
    Empty,
    /// Your request: the file is complete and takes no more bytes.
    #[error("the file is whole already")]
    Complete,
    /// Your file: the base name of the local path cannot be listed in the store.
    #[error("the base name {0}")]
    LocalName(NameError),
    /// Your file: the local path does not lead to a readable file.
    #[error("{0}")]
    Local(FileError),
    /// Your file: it is not an image, and why.
    #[error("{0}")]
    NotAnImage(String),
    /// Your request: the tree that was asked for cannot be served.
    #[error("{0}")]
    TreeChoice(String),
    /// Our disk: the tree could not be opened.
    #[error("{0}")]
    Tree(TreeError),
    /// Our disk, or the size of your file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our disk: the change was not made, because it could not be saved.
    #[error("{}", .0.with_cause())]
    Inventory(std::sync::Arc<InventoryError>),
    /// A change failed by a fault of the program.
    #[error("the change failed by a fault of the program")]
    Fault,
    /// As many jobs wait or run as `maxQueuedJobs` allows.
    #[error("{0} jobs wait or run, which is all that `maxQueuedJobs` allows; try again when some have ended")]
    TooManyJobs(usize),
    /// As many jobs of the client wait or run as one client may have.
    #[error(
        "{0} jobs of yours wait or run, half of what `maxQueuedJobs` allows; try again when some have ended"
    )]
    ClientHasJobs(u64),
    /// The links of an image are too long.
    #[error("the links of the image have {0} bytes together, with those of `checksum` and `signature`; {max} are allowed", max = WebSource::MAX_LINK_BYTES)]
    LinksTooLong(usize),
    /// All permits of uploads are taken.
    #[error("too many files are arriving at this moment; try again later")]
    Crowded,
    /// The client has as many permits of uploads as one client may have.
    #[error(
        "{0} files of yours are arriving at this moment, which is all that one client may send at once; wait until one of them has arrived"
    )]
    ClientCrowds(usize),
    /// The client has as many permits of searches as one client may have.
    #[error(
        "a search of yours is running already, and one client may not take all searches; wait until it has ended"
    )]
    ClientSearches,
    /// All permits of searches are taken.
    #[error("others are searching at this moment; try again later")]
    Searching,
    /// The service is being stopped.
    #[error("the service is stopping")]
    Stopping,
}

impl From<TreeError> for CatalogError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::NotAnImage(reason) => Self::NotAnImage(reason),
            TreeError::NoSuchTree { .. } | TreeError::NoChoice | TreeError::OneTree(_) => {
                Self::TreeChoice(error.to_string())
            }
            TreeError::Mount(loop_mount::Error::NotAnImage { reason, .. }) => {
                Self::NotAnImage(format!("not an image that the kernel mounts: {reason}"))
            }
            TreeError::File(error) => Self::from_file(error),
            other => Self::Tree(other),
        }
    }
}

impl From<CommitError> for CatalogError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Unsaved(error) => Self::Inventory(error),
            CommitError::Panicked => Self::Fault,
            CommitError::Stopping => Self::Stopping,
        }
    }
}

impl CatalogError {
    /// Another request is working with the image that has this name and version, or is about to have it.
    pub fn busy_image(name: &ImageName, version: &ImageVersion) -> Self {
        Self::Busy(format!("the image {name} {version}"))
    }

    /// Whether the file could be stored under another name.
    pub(crate) fn is_about_the_name(&self) -> bool {
        matches!(
            self,
            Self::Busy(_)
                | Self::FileBusy { .. }
                | Self::InUse { .. }
                | Self::NameIsLocal(_)
                | Self::NameIsStored(_)
        )
    }

    /// Whether the service has no permission to open a file.
    pub(crate) fn is_forbidden(&self) -> bool {
        match self {
            Self::Local(FileError::Forbidden) => true,
            Self::Store(StoreError::Io { error, .. }) => error.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }

    /// A path that leads to no readable file is the client's fault, a disk that fails is ours.
    pub(crate) fn from_file(error: FileError) -> Self {
        match error {
            FileError::Io(_) => Self::Tree(TreeError::File(error)),
            other => Self::Local(other),
        }
    }
}

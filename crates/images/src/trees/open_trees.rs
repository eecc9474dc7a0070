//! The trees of images, opened when they are needed and kept open within a bound.

use std::path::Path;
use std::sync::Arc;

use iso_reader::TreeKind;

use crate::trees::cache::Cache;
use crate::trees::error::TreeError;
use crate::trees::kind::ImageKind;
use crate::trees::mounted::Mounts;
use crate::trees::tree::ImageTree;
use model::image::TreeSummary;
use model::names::{ImageName, ImageVersion};
use model::settings::Live;

/// Opens trees and keeps them open, bounded.
pub enum Trees {
    /// Read by this program; indexes are kept in a cache.
    Extents(Cache),
    /// Mounted by the kernel.
    Mounted(Mounts),
}

impl Trees {
    /// Trees read from the files' extents, with `bytes` of memory for their indexes.
    pub fn extents(bytes: impl Into<Live<u64>>) -> Self {
        Self::Extents(Cache::new(bytes))
    }

    /// The tree of the ISO at `iso`: the one that was asked for, else the best. Callers at the same time
    /// share one opening.
    pub fn open(
        &self,
        name: &ImageName,
        version: &ImageVersion,
        iso: &Path,
        asked: Option<TreeKind>,
    ) -> Result<Arc<ImageTree>, TreeError> {
        match self {
            Self::Extents(cache) => cache.open(iso, asked),
            Self::Mounted(_) if asked.is_some() => Err(TreeError::NoChoice),
            Self::Mounted(mounts) => mounts.open(name, version, iso),
        }
    }

    /// Whether images may ask for a tree. The kernel has an order of its own, and mount options for only a
    /// part of it.
    pub fn offers_choice(&self) -> Result<(), TreeError> {
        match self {
            Self::Extents(_) => Ok(()),
            Self::Mounted(_) => Err(TreeError::NoChoice),
        }
    }

    /// Reads a file that has no name yet, to find out whether it is an image.
    pub fn inspect(&self, iso: &Path, asked: Option<TreeKind>) -> Result<TreeSummary, TreeError> {
        match self {
            Self::Extents(cache) => cache.inspect(iso, asked),
            Self::Mounted(_) if asked.is_some() => Err(TreeError::NoChoice),
            Self::Mounted(mounts) => mounts.inspect(iso),
        }
    }

    /// Whether a file may become an image, by its first [`SIGNATURE_BYTES`](super::SIGNATURE_BYTES) or all
    /// that it has. Saves the transfer of the rest.
    pub fn may_be_image(&self, beginning: &[u8]) -> bool {
        match self {
            Self::Extents(_) => ImageKind::of(beginning).is_some(),
            // The kernel knows more kinds than this program does.
            Self::Mounted(_) => true,
        }
    }

    /// Mounts a served image, because mounts are wanted as local paths. Other trees are opened at their first
    /// use.
    pub fn make_ready(
        &self,
        name: &ImageName,
        version: &ImageVersion,
        iso: &Path,
        asked: Option<TreeKind>,
    ) -> Result<(), TreeError> {
        match self {
            Self::Extents(_) => Ok(()),
            Self::Mounted(_) => self.open(name, version, iso, asked).map(drop),
        }
    }

    /// Closes an image's tree; a mount is undone.
    pub fn close(
        &self,
        name: &ImageName,
        version: &ImageVersion,
        iso: &Path,
        asked: Option<TreeKind>,
    ) -> Result<(), TreeError> {
        match self {
            Self::Extents(cache) => {
                cache.forget(iso, asked);
                Ok(())
            }
            Self::Mounted(mounts) => mounts.close(name, version),
        }
    }

    /// Closes all trees; mounts are undone.
    pub fn close_all(&self) {
        match self {
            Self::Extents(cache) => cache.clear(),
            Self::Mounted(mounts) => mounts.close_all(),
        }
    }
}

//! What clients have seen of an image whose change they ask for.

use model::image::Image;

/// What the record of an image must be at the moment of the change.
#[derive(Debug, Clone, Default)]
pub enum Seen {
    /// The client sets no condition.
    #[default]
    Anything,
    /// There must be no image.
    Nothing,
    /// There must be an image, in whatever version.
    Something,
    /// The image must be as it was.
    Image(Box<Image>),
}

impl Seen {
    /// Whether `current` is what the client has seen.
    pub(super) fn is(&self, current: Option<&Image>) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => current.is_none(),
            Self::Something => current.is_some(),
            Self::Image(image) => current == Some(&**image),
        }
    }
}

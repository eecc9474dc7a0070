//! The one list of components. Each is off, or on by its section of the settings or its router.

use component::ComponentType;

/// All components that this program has.
pub const COMPONENTS: &[ComponentType] = &[];

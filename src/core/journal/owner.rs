//! Whether the run that wrote an intent is still alive: told by the lock of a file beside the
//! journal, or by a lease in the database.

use std::sync::Arc;

use super::fork;
#[cfg(feature = "postgres")]
use super::postgres::Lease;
use super::sqlite::Life;
use crate::core::upload::Permit;

/// A living run.
#[derive(Debug)]
pub struct Owner {
    name: String,
    life: Kept,
}

#[derive(Debug)]
enum Kept {
    File(Arc<Life>),
    #[cfg(feature = "postgres")]
    Lease(Lease),
}

impl Owner {
    pub(super) fn of_file(name: String, life: Arc<Life>) -> Self {
        Self { name, life: Kept::File(life) }
    }

    #[cfg(feature = "postgres")]
    pub(super) fn of_lease(name: String, lease: Lease) -> Self {
        Self { name, life: Kept::Lease(lease) }
    }

    /// How the journal names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[cfg(feature = "postgres")]
    pub(super) fn lease(&self) -> Option<&Lease> {
        match &self.life {
            Kept::File(_) => None,
            Kept::Lease(lease) => Some(lease),
        }
    }

    /// What each piece of an upload must ask before it is sent; none where a run cannot be taken
    /// for dead while it lives.
    #[must_use]
    pub fn permit(&self) -> Option<Permit> {
        match &self.life {
            Kept::File(_) => None,
            #[cfg(feature = "postgres")]
            Kept::Lease(lease) => Some(lease.permit()),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        match &self.life {
            Kept::File(life) => fork::end(life),
            #[cfg(feature = "postgres")]
            Kept::Lease(lease) => lease.end(),
        }
    }
}

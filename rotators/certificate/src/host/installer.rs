//! The asynchronous edge: file work on threads that may block, one piece at a time for each root.

use super::{HostError, Place, VersionFile, VersionName, layout, room};

/// Where the link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Linked {
    /// There is no link.
    Nothing,
    /// To this version.
    Version(VersionName),
    /// To something that keywheel did not make.
    Elsewhere,
}

/// What was found before an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are free for the daemon.
    pub free: u64,
    /// Where the link leads now.
    pub linked: Linked,
}

/// Installs versions at one place.
///
/// Every operation is idempotent. One that was begun goes on to its end even where its caller is dropped, and the next
/// one at the same root waits for it: what was given up never acts after what came later.
#[derive(Debug, Clone)]
pub struct Installer {
    place: Place,
}

impl Installer {
    /// An installer for a place.
    pub fn new(place: Place) -> Self {
        Self { place }
    }

    /// The place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Looks whether the files could be installed now, without any effect.
    pub async fn look(&self, files: Vec<VersionFile>) -> Result<Room, HostError> {
        self.work(move |place| room::look(place, &files)).await
    }

    /// Brings a version's folder to disk, whole and durable. The link stays where it leads.
    pub async fn install(&self, version: &VersionName, files: Vec<VersionFile>) -> Result<(), HostError> {
        let version = version.clone();
        self.work(move |place| layout::install(place, &version, &files)).await
    }

    /// Lets the link lead to an installed version, in one step and durably.
    pub async fn switch(&self, version: &VersionName) -> Result<(), HostError> {
        let version = version.clone();
        self.work(move |place| layout::switch(place, &version)).await
    }

    /// Tells where the link leads.
    pub async fn linked(&self) -> Result<Linked, HostError> {
        self.work(layout::linked).await
    }

    /// Removes a version's folder; [`HostError::Live`] if the link leads to it.
    pub async fn remove(&self, version: &VersionName) -> Result<(), HostError> {
        let version = version.clone();
        self.work(move |place| layout::remove(place, &version)).await
    }

    /// Removes a version's folder, and the link if it leads there.
    pub async fn take_away(&self, version: &VersionName) -> Result<(), HostError> {
        let version = version.clone();
        self.work(move |place| layout::take_away(place, &version)).await
    }

    async fn work<T, F>(&self, work: F) -> Result<T, HostError>
    where
        T: Send + 'static,
        F: FnOnce(&Place) -> Result<T, HostError> + Send + 'static,
    {
        let turn = std::sync::Arc::clone(&self.place.root.turn).lock_owned().await;
        let place = self.place.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&place)
        });
        done.await.unwrap_or(Err(HostError::Lost))
    }
}

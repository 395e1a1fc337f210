//! The layout below a place: whole folders first, then the link. Blocking; the [`Installer`](super::Installer) is its
//! asynchronous edge.

use std::path::PathBuf;

use super::{
    HostError, Linked, Place, VersionFile, VersionName,
    folder::{Folder, Marks, unfinished},
    owner::Owner,
};

const LINK: &str = "current";
const VERSIONS: &str = "versions";

/// Marks as a place's root tells them.
pub(super) fn marks_of(place: &Place) -> Result<Marks, HostError> {
    let rules = &place.root.rules;
    Ok(Marks { owner: Owner::of(rules)?, key_mode: rules.key_mode.bits(), folder_mode: rules.folder_mode.bits() })
}

/// The deepest folder on the way to the place that is there already, and how many components are missing.
pub(super) fn deepest(place: &Place) -> Result<(Folder, usize), HostError> {
    let root = Folder::open_root(&place.root)?;
    for missing in 0..place.components.len() {
        let path: PathBuf = place.components[..place.components.len() - missing].iter().collect();
        if let Some(folder) = root.beneath(&place.root, &path)? {
            return Ok((folder, missing));
        }
    }
    Ok((root, place.components.len()))
}

/// The place's folder, if it is there.
fn find(place: &Place) -> Result<Option<Folder>, HostError> {
    let (folder, missing) = deepest(place)?;
    Ok((missing == 0).then_some(folder))
}

fn find_or_make(place: &Place, marks: Marks) -> Result<Folder, HostError> {
    let (mut folder, missing) = deepest(place)?;
    for component in &place.components[place.components.len() - missing..] {
        folder = folder.child_or_new(component, marks)?;
    }
    Ok(folder)
}

/// Brings a version's folder to disk, whole. A folder that holds all of it already stays; any other is replaced.
pub(super) fn install(place: &Place, version: &VersionName, files: &[VersionFile]) -> Result<(), HostError> {
    let marks = marks_of(place)?;
    let versions = find_or_make(place, marks)?.child_or_new(VERSIONS, marks)?;
    versions.sweep()?;
    let is_replaced = match versions.child(version.as_str()) {
        Ok(Some(folder)) if is_complete(&folder, files, marks)? => return Ok(()),
        Ok(None) => false,
        Ok(Some(_)) | Err(HostError::Taken { .. }) => true,
        Err(error) => return Err(error),
    };
    let temporary = unfinished(version.as_str());
    let written = write(&versions, &temporary, files, marks);
    if written.is_err() {
        // The first error counts; what is left is taken away by the next try.
        let _ = versions.remove_tree(&temporary);
    }
    written?;
    if is_replaced {
        versions.exchange(&temporary, version.as_str())?;
        versions.remove_tree(&temporary)?;
    } else {
        versions.rename(&temporary, version.as_str())?;
    }
    versions.sync()
}

fn write(versions: &Folder, temporary: &str, files: &[VersionFile], marks: Marks) -> Result<(), HostError> {
    let folder = versions.new_child(temporary, marks)?;
    files.iter().try_for_each(|file| folder.write_new(file, marks))?;
    folder.sync()
}

fn is_complete(folder: &Folder, files: &[VersionFile], marks: Marks) -> Result<bool, HostError> {
    for file in files {
        if !folder.holds(file, marks)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lets the link lead to a version, whose folder must be there.
pub(super) fn switch(place: &Place, version: &VersionName) -> Result<(), HostError> {
    let absent = || HostError::io("link", place.show(&version.link_target()), std::io::ErrorKind::NotFound.into());
    let folder = find(place)?.ok_or_else(absent)?;
    if linked_in(&folder)? == Linked::Version(version.clone()) {
        return folder.sync();
    }
    let versions = folder.child(VERSIONS)?.ok_or_else(absent)?;
    versions.child(version.as_str())?.ok_or_else(absent)?;
    folder.replace_link(LINK, &version.link_target())
}

/// Where the link leads.
pub(super) fn linked(place: &Place) -> Result<Linked, HostError> {
    find(place)?.map_or(Ok(Linked::Nothing), |folder| linked_in(&folder))
}

fn linked_in(folder: &Folder) -> Result<Linked, HostError> {
    let Some(target) = folder.read_link(LINK)? else { return Ok(Linked::Nothing) };
    Ok(VersionName::of_link_target(&target).map_or(Linked::Elsewhere, Linked::Version))
}

/// Removes a version's folder; harmless if it is gone. The one in use is refused.
pub(super) fn remove(place: &Place, version: &VersionName) -> Result<(), HostError> {
    let Some(folder) = find(place)? else { return Ok(()) };
    if linked_in(&folder)? == Linked::Version(version.clone()) {
        return Err(HostError::Live(version.as_str().to_owned()));
    }
    let Some(versions) = folder.child(VERSIONS)? else { return Ok(()) };
    versions.sweep()?;
    if versions.child(version.as_str())?.is_some() {
        // Under its own name it is whole, or it is not there.
        let temporary = unfinished(version.as_str());
        versions.rename(version.as_str(), &temporary)?;
        versions.remove_tree(&temporary)?;
    }
    versions.sync()
}

/// Takes away a version and the link that leads to it; a link that leads elsewhere stays.
pub(super) fn take_away(place: &Place, version: &VersionName) -> Result<(), HostError> {
    let Some(folder) = find(place)? else { return Ok(()) };
    if linked_in(&folder)? == Linked::Version(version.clone()) {
        folder.unlink(LINK)?;
        folder.sync()?;
    }
    remove(place, version)?;
    folder.remove_if_empty(VERSIONS)?;
    folder.sync()
}

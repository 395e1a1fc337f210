//! Certificates on this host: folders of versions, one link that is switched, hooks.

//! Floor 0: the words of the house as types. No I/O, no clock, no randomness.

mod actor;
mod ids;
mod name;
mod news;
mod occurrence;
mod schedule_row;
mod secret;
mod target;
mod version;

pub use actor::Actor;
pub use ids::{Minter, Rising};
pub use keywheel_contract::{
    ActorId, DeliveryId, DocumentId, EventId, HolderId, KeyId, Material, NoticeId, OccurrenceId, RotationId, SecretId,
    SecretText, SendId, TargetId, TenantId, TokenId, VersionId,
};
pub use name::{Name, NameError};
pub use news::is_news;
pub use occurrence::{Occurrence, OccurrenceEnd, OccurrenceOrigin};
pub use schedule_row::ScheduleRow;
pub use secret::{Acknowledgement, Secret};
pub use target::{Breaker, Target};
pub use version::{Stage, Version};

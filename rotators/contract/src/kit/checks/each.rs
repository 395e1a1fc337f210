//! Which check tries which property.

use super::{
    super::{Property, Rig, Violation},
    disturbed, looking, repeated, texts,
};

/// Tries one property.
pub(in crate::kit) async fn run(rig: &dyn Rig, property: Property) -> Result<(), Violation> {
    match property {
        Property::DeclarationIsTrue => looking::declaration_is_true(rig).await,
        Property::LookingChangesNothing => looking::looking_changes_nothing(rig).await,
        Property::NegativeControl => looking::negative_control(rig).await,
        Property::VerifyTellsTheTruth => looking::verify_tells_the_truth(rig).await,
        Property::ProbeTellsTheTruth => looking::probe_tells_the_truth(rig).await,
        Property::RepeatIsHarmless => repeated::repeat_is_harmless(rig).await,
        Property::RevertWithoutApply => repeated::revert_without_apply(rig).await,
        Property::RevertTwice => repeated::revert_twice(rig).await,
        Property::UnwindAfterEachStep => repeated::unwind_after_each_step(rig).await,
        Property::RetireEndsTheOld => repeated::retire_ends_the_old(rig).await,
        Property::Deadline => disturbed::deadline(rig).await,
        Property::Cancel => disturbed::cancel(rig).await,
        Property::ReplyLost => disturbed::reply_lost(rig).await,
        Property::DeadAttempt => disturbed::dead_attempt(rig).await,
        Property::NoSecretInTexts => texts::no_secret_in_texts(rig).await,
    }
}

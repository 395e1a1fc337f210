//! The kit's doors: one property, all properties, and a macro that makes a test of each.

use super::{Outcome, Property, Report, Rig, Violation, checks};

/// Tries one property on accounts of its own.
pub async fn check(rig: &dyn Rig, property: Property) -> Outcome {
    match excuse(rig, property).await {
        Ok(Some(reason)) => return Outcome::Skipped(reason),
        Ok(None) => {}
        Err(violation) => return Outcome::Failed(violation),
    }
    match checks::run(rig, property).await {
        Ok(()) => Outcome::Passed,
        Err(violation) => Outcome::Failed(violation),
    }
}

async fn excuse(rig: &dyn Rig, property: Property) -> Result<Option<String>, Violation> {
    let stage = rig.fresh().await?;
    let declared = rig.rotator().declare(&stage.target.settings, &stage.settings);
    let declared = declared.map_err(|failure| Violation::of_rotator(format!("`declare` failed: {failure}")))?;
    Ok(property.excuse(&rig.capabilities(), &declared))
}

/// Tries every property, one after the other.
pub async fn run(rig: &dyn Rig) -> Report {
    let mut outcomes = Vec::with_capacity(Property::ALL.len());
    for property in Property::ALL {
        outcomes.push((property, check(rig, property).await));
    }
    Report { kind: rig.rotator().kind(), outcomes }
}

/// Panics if a property does not hold. One that the rig cannot try passes: the rig's [`Capabilities`](super::Capabilities)
/// say why.
pub async fn assert_holds(rig: &dyn Rig, property: Property) {
    if let Outcome::Failed(violation) = check(rig, property).await {
        panic!("{} does not hold ({}): {violation}", property.code(), property.promise());
    }
}

/// Makes one `#[tokio::test]` for each [`Property`](crate::kit::Property) from an expression that makes a
/// [`Rig`](crate::kit::Rig); the expression may await. For use in a test module of its own.
///
/// A property that is added to the kit is added here or does not compile, so that no rotator is left without it.
#[macro_export]
macro_rules! conformance {
    ($rig:expr) => {
        $crate::conformance! { @each $rig;
            DeclarationIsTrue => what_is_declared_happens,
            LookingChangesNothing => looking_changes_nothing,
            NegativeControl => preflight_fails_where_any_password_is_let_in,
            VerifyTellsTheTruth => verify_says_works_when_it_does_and_only_then,
            ProbeTellsTheTruth => probe_tells_credentials_apart,
            RepeatIsHarmless => an_operation_that_is_repeated_leaves_what_it_left,
            RevertWithoutApply => revert_without_apply_is_harmless,
            RevertTwice => revert_twice_leaves_what_revert_left,
            UnwindAfterEachStep => a_rotation_can_be_unwound_after_each_step,
            Deadline => silence_is_no_answer,
            Cancel => a_dropped_operation_locks_nobody_out,
            ReplyLost => a_lost_answer_is_unknown,
            DeadAttempt => no_dead_attempt_acts_after_settle,
            RetireEndsTheOld => retire_ends_the_old_and_leaves_the_live,
            NoSecretInTexts => no_text_holds_a_secret_value,
        }
    };
    (@each $rig:expr; $($property:ident => $name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::kit::assert_holds(&$rig, $crate::kit::Property::$property).await;
            }
        )*

        // Exhaustive without a wildcard: a property without a test does not compile.
        const _: fn($crate::kit::Property) -> fn() = |property| match property {
            $($crate::kit::Property::$property => $name,)*
        };
    };
}

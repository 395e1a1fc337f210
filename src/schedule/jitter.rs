//! Jitter: a share of a delay that the secret's id alone decides, so that every replica and every release agrees.

use chrono::TimeDelta;

/// Gives the part of `room`, in whole seconds, that a secret's id decides: at least nothing, less than all of it.
///
/// FNV-1a (64 bits, <http://www.isthe.com/chongo/tech/comp/fnv/>) with the finaliser of SplitMix64, because FNV alone
/// leaves the high bits of ids that differ at their end close together. No secrecy is claimed.
pub(super) fn delay(secret_id: &str, room: TimeDelta) -> TimeDelta {
    let mut hash = secret_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let seconds = u64::try_from(room.num_seconds()).unwrap_or(0);
    let part = (u128::from(hash) * u128::from(seconds)) >> 64;
    TimeDelta::seconds(i64::try_from(part).expect("a part of a number of seconds fits as it does"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_the_same_every_time_and_in_every_release() {
        let hour = TimeDelta::hours(1);
        let delays = ["sec_a", "sec_b", ""].map(|id| delay(id, hour).num_seconds());
        assert_eq!(delays, ["sec_a", "sec_b", ""].map(|id| delay(id, hour).num_seconds()));
        assert_eq!(delays, PINNED);
    }

    #[test]
    fn delays_spread_over_the_room_and_stay_in_it() {
        let room = TimeDelta::seconds(100);
        let mut tenths = [0_u32; 10];
        for number in 0..1_000 {
            let seconds = delay(&format!("sec_{number:026}"), room).num_seconds();
            assert!((0..100).contains(&seconds));
            tenths[usize::try_from(seconds / 10).expect("below ten")] += 1;
        }
        assert!(tenths.iter().all(|count| (60..=140).contains(count)), "{tenths:?}");
    }

    #[test]
    fn no_room_is_no_delay() {
        assert_eq!(delay("sec_a", TimeDelta::zero()), TimeDelta::zero());
        assert_eq!(delay("sec_a", TimeDelta::seconds(-5)), TimeDelta::zero());
    }

    // Computed apart from this code, in Python.
    const PINNED: [i64; 3] = [910, 3080, 3447];
}

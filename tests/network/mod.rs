//! The way to the target fails: cut, silent, slow, or in another session's hands.

mod cuts;
mod frozen;
mod held_row;
mod lost_answer;
mod operator;
mod partition;
mod refusal;
mod server_killed;

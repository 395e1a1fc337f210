//! What is told: events that are yet to be told, the notices made of them, and each channel's part.

pub mod news;
pub mod notice;
pub mod send;

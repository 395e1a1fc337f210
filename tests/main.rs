//! What needs a process, a socket or a database. One binary; its modules mirror `src/`.

mod schedule;

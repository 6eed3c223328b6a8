//! The binary over its real sockets.

mod control;
mod serving;
mod support;

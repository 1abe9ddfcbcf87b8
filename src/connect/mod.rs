//! One room per outside system behind one HTTP door.

pub mod port;

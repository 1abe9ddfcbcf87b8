//! The one integration binary.

mod demo;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod world;

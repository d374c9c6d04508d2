//! Lets only so much work begin at a time, and lets nobody wait for long.
//!
//! Everything that Keyward does for a request happens on threads that wait for a database or hash
//! a password. A [`Lane`] has a number of places for such work and a queue before them. Who finds
//! the queue full is turned away at once, which is cheap; and who waits for a storage that is
//! silent is told so, while the thread that asks it goes on waiting.
//!
//! ```
//! use keyward_admission::{Lane, NotDone};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let lane = Lane::new(4, 16);
//! assert_eq!(lane.run(|| 6 * 7).await, Ok(42));
//! assert_eq!(Lane::new(0, 0).run(|| ()).await, Err(NotDone::Overloaded));
//! # });
//! ```

mod lane;
mod queue;
mod single;

pub use lane::{Lane, NotDone};
pub use single::Single;

/// Runs the example of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

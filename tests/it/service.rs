//! The honest face, group by group, on both backends.

mod lists;
mod sets;

//! Apache Parquet: a table with typed columns, of records or of batches.
//!
//! Parquet is no format of lines. Whichever thread makes a stretch makes rows of it ([`rows`]), in
//! a form that is only ours; in their order they go to a [`ParquetFile`], which cuts them into row
//! groups of so many bytes, has the threads turn each into column chunks ([`group`]), and writes
//! these in order. So memory is bounded by a few row groups, and neither the rows nor where groups
//! are cut depends on the threads.

mod columns;
mod file;
mod group;
mod rows;

pub use file::ParquetFile;
pub use rows::ParquetRows;

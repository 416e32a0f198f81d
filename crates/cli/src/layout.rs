//! Text in aligned columns and wrapped paragraphs (docs/spec/cli.md §1.6).

mod columns;
mod tabs;
mod wrap;

pub use columns::columns;
pub use tabs::tabs;
pub use wrap::wrap;

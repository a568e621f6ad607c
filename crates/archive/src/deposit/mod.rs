//! Takes in what a closed or suspended institution hands over.

pub mod bag;
pub mod bag_info;

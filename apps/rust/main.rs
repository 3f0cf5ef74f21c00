use std::sync::mpsc;
use std::thread;

fn main() {
    println!("hello from rust");
    let (sender, receiver) = mpsc::channel();
    for number in 1..=100u64 {
        let sender = sender.clone();
        thread::spawn(move || sender.send(number * number).unwrap());
    }
    drop(sender);
    println!("squares of 1 to 100: {}", receiver.iter().sum::<u64>());
}

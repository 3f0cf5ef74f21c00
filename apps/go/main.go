package main

import (
	"fmt"
	"sync"
)

func main() {
	fmt.Println("hello from go")
	numbers, squares := make(chan int), make(chan int)
	var workers sync.WaitGroup
	for i := 0; i < 1000; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			number := <-numbers
			squares <- number * number
		}()
	}
	go func() {
		for number := 1; number <= 1000; number++ {
			numbers <- number
		}
		workers.Wait()
		close(squares)
	}()
	sum := 0
	for square := range squares {
		sum += square
	}
	fmt.Println("squares of 1 to 1000:", sum)
}

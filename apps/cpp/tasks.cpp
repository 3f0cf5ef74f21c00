#include <future>
#include <iostream>
#include <semaphore>
#include <vector>

int main()
{
    std::cout << "hello from C++" << std::endl;
    std::counting_semaphore<4> slots(4);
    std::vector<std::future<int>> squares;
    for (int n = 1; n <= 100; n++)
        squares.push_back(std::async(std::launch::async, [n, &slots] {
            slots.acquire();
            int square = n * n;
            slots.release();
            return square;
        }));
    int sum = 0;
    for (auto &square : squares)
        sum += square.get();
    std::cout << "squares of 1 to 100: " << sum << std::endl;
}

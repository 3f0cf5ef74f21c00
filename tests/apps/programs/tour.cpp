// iostream, exceptions, containers, smart pointers.
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Noisy {
    std::string name;
    explicit Noisy(std::string n) : name(std::move(n)) { std::cout << "make " << name << '\n'; }
    ~Noisy() { std::cout << "drop " << name << '\n'; }
};

static int risky(int depth)
{
    Noisy noisy("level " + std::to_string(depth));
    if (depth == 3) throw std::runtime_error("deep enough");
    return risky(depth + 1);
}

int main(int argc, char **argv)
{
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 1);
    std::cout << std::accumulate(numbers.begin(), numbers.end(), 0) << std::endl;
    std::map<std::string, int> counts;
    for (int i = 1; i < argc; i++) counts[argv[i]]++;
    for (auto &[key, value] : counts) std::cout << key << '=' << value << '\n';
    try {
        risky(0);
    } catch (const std::exception &error) {
        std::cerr << "caught: " << error.what() << std::endl;
    }
    try {
        numbers.at(5000) = 1;
    } catch (const std::out_of_range &) {
        std::cout << "out of range\n";
    }
    auto shared = std::make_shared<Noisy>("shared");
    auto copy = shared;
    std::ostringstream text;
    text << shared.use_count() << ' ' << 3.25 << ' ' << std::hex << 255;
    std::cout << text.str() << '\n';
    return 7;
}

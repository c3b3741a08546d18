// Compiled by clang in WebAssembly: the library's templates, and what they compute while they are compiled.
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

template <unsigned Number> struct Fibonacci {
    static constexpr unsigned long long value = Fibonacci<Number - 1>::value + Fibonacci<Number - 2>::value;
};
template <> struct Fibonacci<1> { static constexpr unsigned long long value = 1; };
template <> struct Fibonacci<0> { static constexpr unsigned long long value = 0; };

template <typename... Parts> constexpr auto sum_of_squares(Parts... parts) { return ((parts * parts) + ...); }

template <std::size_t... Indices> constexpr auto squares(std::index_sequence<Indices...>) {
    return std::array<unsigned, sizeof...(Indices)>{static_cast<unsigned>(Indices * Indices)...};
}

constexpr auto primes = [] {
    std::array<unsigned short, 64> found{};
    std::size_t count = 0;
    for (unsigned short candidate = 2; count < found.size(); candidate++) {
        if (std::none_of(found.begin(), found.begin() + count, [=](auto prime) { return candidate % prime == 0; })) {
            found[count++] = candidate;
        }
    }
    std::reverse(found.begin(), found.end());
    std::sort(found.begin(), found.end(), std::less<>());
    return found;
}();

constexpr std::size_t letters = [] {
    std::vector<std::string> words;
    for (int i = 0; i < 50; i++) {
        words.push_back(std::string(i, 'x') + "tail that is long enough for the heap");
    }
    return std::accumulate(words.begin(), words.end(), std::size_t{0},
                           [](std::size_t sum, const std::string &word) { return sum + word.size(); });
}();

extern "C" {
extern const unsigned short table[64];
const unsigned short table[64] = {primes[0], primes[9], primes[63]};
extern const unsigned long long numbers[4];
const unsigned long long numbers[4] = {Fibonacci<90>::value, sum_of_squares(1u, 2u, 3u),
                                       squares(std::make_index_sequence<100>())[99], letters};

int last_of_sorted(int *first, int *last) {
    std::map<int, std::tuple<int, long>> seen;
    for (int *at = first; at != last; at++) {
        std::get<1>(seen[*at])++;
    }
    return seen.empty() ? 0 : seen.rbegin()->first;
}
}

// The Sun and its four giant planets, moved in steps of a hundredth of a year: double-precision arithmetic, a division
// and a square root for each of the ten pairs.
//
// Units are astronomical units, years and solar masses times 4 pi^2 (so that the constant of gravity is 1). The order of
// the operations is the customary one, so that the energy after a number of steps can be compared bit for bit.
#include "kernel.h"

#define BODIES 5
#define PI 3.141592653589793
#define SOLAR_MASS (4 * PI * PI)
#define DAYS_PER_YEAR 365.24
#define STEP_IN_YEARS 0.01

typedef struct {
    f64 x, y, z;
    f64 vx, vy, vz;
    f64 mass;
} Body;

static const Body AT_THE_START[BODIES] = {
    // The Sun.
    {.mass = SOLAR_MASS},
    // Jupiter.
    {.x = 4.84143144246472090e+00,
     .y = -1.16032004402742839e+00,
     .z = -1.03622044471123109e-01,
     .vx = 1.66007664274403694e-03 * DAYS_PER_YEAR,
     .vy = 7.69901118419740425e-03 * DAYS_PER_YEAR,
     .vz = -6.90460016972063023e-05 * DAYS_PER_YEAR,
     .mass = 9.54791938424326609e-04 * SOLAR_MASS},
    // Saturn.
    {.x = 8.34336671824457987e+00,
     .y = 4.12479856412430479e+00,
     .z = -4.03523417114321381e-01,
     .vx = -2.76742510726411899e-03 * DAYS_PER_YEAR,
     .vy = 4.99852801234917238e-03 * DAYS_PER_YEAR,
     .vz = 2.30417297573763929e-05 * DAYS_PER_YEAR,
     .mass = 2.85885980666130812e-04 * SOLAR_MASS},
    // Uranus.
    {.x = 1.28943695621391310e+01,
     .y = -1.51111514016986312e+01,
     .z = -2.23307578892655734e-01,
     .vx = 2.96460137564761618e-03 * DAYS_PER_YEAR,
     .vy = 2.37847173959480950e-03 * DAYS_PER_YEAR,
     .vz = -2.96589568540237556e-05 * DAYS_PER_YEAR,
     .mass = 4.36624404335156298e-05 * SOLAR_MASS},
    // Neptune.
    {.x = 1.53796971148509165e+01,
     .y = -2.59193146099879641e+01,
     .z = 1.79258772950371181e-01,
     .vx = 2.68067772490389322e-03 * DAYS_PER_YEAR,
     .vy = 1.62824170038242295e-03 * DAYS_PER_YEAR,
     .vz = -9.51592254519715870e-05 * DAYS_PER_YEAR,
     .mass = 5.15138902046611451e-05 * SOLAR_MASS},
};

static Body bodies[BODIES];

// Puts every body back where it started, and gives the Sun the velocity that makes the total momentum zero.
static void reset(void) {
    f64 px = 0, py = 0, pz = 0;
    for (int i = 0; i < BODIES; i++) {
        bodies[i] = AT_THE_START[i];
        px += bodies[i].vx * bodies[i].mass;
        py += bodies[i].vy * bodies[i].mass;
        pz += bodies[i].vz * bodies[i].mass;
    }
    bodies[0].vx = -px / SOLAR_MASS;
    bodies[0].vy = -py / SOLAR_MASS;
    bodies[0].vz = -pz / SOLAR_MASS;
}

static void advance(f64 dt) {
    for (int i = 0; i < BODIES; i++) {
        Body *a = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            Body *b = &bodies[j];
            f64 dx = a->x - b->x;
            f64 dy = a->y - b->y;
            f64 dz = a->z - b->z;
            f64 distance = __builtin_sqrt(dx * dx + dy * dy + dz * dz);
            f64 pull = dt / (distance * distance * distance);
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

// Kinetic energy, less the potential of every pair.
static f64 energy(void) {
    f64 sum = 0;
    for (int i = 0; i < BODIES; i++) {
        const Body *a = &bodies[i];
        sum += 0.5 * a->mass * (a->vx * a->vx + a->vy * a->vy + a->vz * a->vz);
        for (int j = i + 1; j < BODIES; j++) {
            const Body *b = &bodies[j];
            f64 dx = a->x - b->x;
            f64 dy = a->y - b->y;
            f64 dz = a->z - b->z;
            sum -= a->mass * b->mass / __builtin_sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return sum;
}

// The energy of the system after so many steps; without friction it should hardly change.
EXPORT(nbody) f64 nbody(i32 steps) {
    reset();
    for (i32 step = 0; step < steps; step++) {
        advance(STEP_IN_YEARS);
    }
    return energy();
}

EXPORT(run) i64 run(i32 n) {
    return f64_bits(nbody(n));
}
